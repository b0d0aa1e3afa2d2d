"""Which domains are left out of training in turn, and on what is trained then."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cry_tf.data.dataset import Dataset
from cry_tf.training.context import RunContext
from cry_tf.training.preparation import hold_out_of
from cry_tf.training.settings import Settings

# Each takes a training of its own. That many heads take seconds.
MOST_UNASKED = 10


@dataclass(frozen=True)
class DomainFold:
    """One domain to leave out.

    Attributes:
        domain: Its name.
        train: Places of the clips of no group that the domain has a clip of.
        test: Places of the clips of the domain.
    """

    domain: str
    train: np.ndarray
    test: np.ndarray

    @property
    def slot(self) -> str:
        """Name of what is kept of it, the same for the same clips."""
        places = np.concatenate([self.train, [-1], self.test]).astype(np.int64)
        return f"without-{hashlib.sha256(places.tobytes()).hexdigest()[:12]}"


def domain_folds(
    dataset: Dataset, settings: Settings, context: RunContext
) -> Sequence[DomainFold]:
    """Returns a fold for each domain that can be left out.

    Where `leave_domains_out` is None, they are drawn for a detector whose head alone
    is trained, and for at most ten domains: that takes about as long as the folds by
    group.

    Args:
        dataset: The clips.
        settings: Settings of the run.
        context: Takes a line for each domain that cannot be left out.

    Raises:
        ValueError: If they are asked for and there are fewer than two domains, or
            none can be left out.
    """
    wanted = settings.leave_domains_out
    names = [str(name) for name in np.unique(dataset.domains) if name]
    if wanted is None:
        wanted = settings.task == "detect" and settings.recipe.trains == "head"
        wanted = wanted and len(names) >= 2
        if wanted and len(names) > MOST_UNASKED:
            context.progress.line(
                f"{len(names)} domains: to train without each of them as well, add "
                "--leave-domains-out"
            )
            return ()
    if not wanted:
        return ()
    if len(names) < 2:
        raise ValueError(
            "Leaving domains out takes clips of at least two. Received: "
            f"{names[0] if names else 'no domain'!r}. Name the recorder or data set of "
            "each clip in a column, and give it with --domain."
        )
    found = []
    for name in names:
        test = np.flatnonzero(dataset.domains == name)
        train = np.flatnonzero(~np.isin(dataset.groups, dataset.groups[test]))
        problem = _problem(dataset, train, settings)
        if problem:
            context.progress.line(f"{name} cannot be left out of training: {problem}")
        else:
            found.append(DomainFold(name, train, test))
    if not found and settings.leave_domains_out:
        raise ValueError(
            "No domain can be left out: each time, the others lack a label or groups. "
            "Add recordings of both labels from other recorders."
        )
    return found


def _problem(dataset: Dataset, train: np.ndarray, settings: Settings) -> str | None:
    present = set(dataset.label_indices[train])
    lacking = [label for n, label in enumerate(dataset.labels) if n not in present]
    if lacking:
        return f"no other domain has a clip of {', '.join(lacking)}"
    hold_out = hold_out_of(dataset, settings)
    if hold_out is not None:
        try:
            hold_out(train)
        except ValueError as error:
            return str(error)
    return None
