"""The infants of a data set, each beside a model of the run that never heard it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cry_tf.data import EmbeddingCache, Embeddings
from cry_tf.data.clip import Problem
from cry_tf.data.dataset import Dataset
from cry_tf.data.grouping import plural
from cry_tf.personal import cross_fit, training_clips
from cry_tf.personal.source import (
    logistic_adapter,
    own_prototypes,
    prototype_adapter,
)
from cry_tf.personal.trial import Adapter, Infant
from cry_tf.runs.progress import Listener
from cry_tf.runs.provenance import short_digests
from cry_tf.runs.run_folder import RunFolder
from cry_tf.training.head_trainer import embed

PROTOTYPES_NEED = (
    "The run has no prototypes of its own, so they are measured on the clips that it "
    "was trained on. Bring them back, take --head logreg, or start from a run with "
    "--head prototype."
)
_STUDY_NEEDS = (
    "The run was trained on infants of the data, so its head is trained anew without "
    "them, on the other clips of its training."
)


@dataclass(frozen=True)
class Unseen:
    """Infants with several labels, ready for a trial.

    Attributes:
        infants: In alphabetical order; near-copies are not yet marked.
        dataset: The clips that `Infant.places` point into.
        problems: Clips that could not be decoded.
        how: Why the run counts as one that never heard them.
    """

    infants: tuple[Infant, ...]
    dataset: Dataset
    problems: tuple[Problem, ...]
    how: str


def find_infants(
    run: RunFolder,
    model: Any,
    dataset: Dataset,
    heads: Sequence[str],
    cache: EmbeddingCache,
    listener: Listener,
) -> Unseen:
    """Prepares every group with several labels.

    Args:
        run: The run.
        model: Its model.
        dataset: Clips under the labels of the model.
        heads: Personal heads.
        cache: Where embeddings are kept.
        listener: Hears how far it is.

    Raises:
        ValueError: If no group has several labels, or what the run was trained on
            is needed and gone.
    """
    _require_several_labels(dataset)
    heard = training_clips.heard_before(run, dataset)
    if heard.any():
        cross_fit.check_backbone(run)
    is_measured = "prototype" in heads and own_prototypes(model) is None
    training = None
    if heard.any() or is_measured:
        why = _STUDY_NEEDS if heard.any() else PROTOTYPES_NEED
        training = training_clips.find(run, why)
    every, is_training = _joined(dataset, heard, training)
    found = embed(model, every, cache, listener)
    left_out = {problem.clip.path for problem in found.problems}
    is_kept = np.array([clip.path not in left_out for clip in every.clips], bool)
    is_training = is_training[is_kept]
    asked = np.arange(len(every))[is_kept] < len(dataset)
    made: dict[str, Infant] = {}

    def use(now: Any, train: np.ndarray, test: np.ndarray) -> None:
        own = test[asked[test]]
        names = _several_labels(found.dataset.subset(own))
        if not names:
            return
        adapters = _adapters(now, found, train, heads, run)
        for name in names:
            places = own[found.dataset.groups[own] == name]
            made[name] = _infant(name, now, found, places, heads, adapters)

    if heard.any():
        settings = run.config["settings"]
        steps = settings["folds"] * settings["recipe"]["epochs"]
        if settings["recipe"]["head"] in ("logreg", "prototype"):
            steps = settings["folds"]
        with listener.progress("training without each infant", steps) as advance:
            folds = cross_fit.without_each(run, model, found, is_training, use, advance)
        how = (
            f"{plural(int(heard.sum()), 'clip')} of {len(dataset)} were in the "
            f"training of the run, so its head and pooling were trained anew, "
            f"{folds} folds by group: each infant meets one that never heard it"
        )
    else:
        use(model, np.flatnonzero(is_training), np.flatnonzero(asked))
        how = "none of the clips was in the training of the run"
    if not made:
        raise ValueError(f"{_RULE} Those that had were left out, undecodable.")
    infants = tuple(made[name] for name in sorted(made))
    return Unseen(infants, found.dataset, found.problems, how)


_RULE = (
    "The study takes infants (groups) with clips of at least two labels: what is "
    "learned from some is judged on the others."
)


def _require_several_labels(dataset: Dataset) -> None:
    if not _several_labels(dataset):
        raise ValueError(
            f"{_RULE} Received: {len(set(dataset.groups))} groups, each of one label. "
            "Name the infant in the column 'group' of a manifest (or another with "
            "--group-by)."
        )


def _several_labels(dataset: Dataset) -> list[str]:
    """Returns the groups with clips of more than one label, sorted."""
    pairs = {(clip.group, clip.label) for clip in dataset.clips}
    groups = [group for group, _ in pairs]
    return sorted({group for group in groups if groups.count(group) > 1})


def _joined(
    dataset: Dataset, heard: np.ndarray, training: Dataset | None
) -> tuple[Dataset, np.ndarray]:
    """Returns the clips asked about before the rest of the training clips.

    The second value says which of all were in the training. A group of the run
    with a clip that is asked about takes the group that the clip has now.
    """
    if training is None:
        return dataset, np.zeros(len(dataset), bool)
    now = dict(zip(short_digests(dataset), dataset.clips, strict=True))
    digests = short_digests(training)
    renamed = {
        clip.group: now[digest].group
        for clip, digest in zip(training.clips, digests, strict=True)
        if digest in now
    }
    others = tuple(
        dataclasses.replace(clip, group=renamed.get(clip.group, clip.group))
        for clip, digest in zip(training.clips, digests, strict=True)
        if digest not in now
    )
    every = dataclasses.replace(dataset, clips=(*dataset.clips, *others), problems=[])
    return every, np.concatenate([heard, np.ones(len(others), bool)])


def _adapters(
    model: Any, found: Embeddings, train: np.ndarray, heads: Sequence[str], run: Any
) -> dict[str, Adapter]:
    adapters: dict[str, Adapter] = {}
    if "prototype" in heads:
        is_measured = own_prototypes(model) is None
        adapters["prototype"] = prototype_adapter(
            model,
            cross_fit.pooled(model, found, train) if is_measured else None,
            found.dataset.label_indices[train],
            found.dataset.groups[train],
            run.config["settings"]["seed"],
        )
    if "logreg" in heads:
        adapters["logreg"] = logistic_adapter(model)
    return adapters


def _infant(
    name: str,
    model: Any,
    found: Embeddings,
    places: np.ndarray,
    heads: Sequence[str],
    adapters: dict[str, Adapter],
) -> Infant:
    own = cross_fit.pooled(model, found, places)
    count = len(places)
    return Infant(
        name,
        places,
        found.dataset.label_indices[places],
        {head: own.of_head(head) for head in heads},
        adapters,
        own.scores,
        np.arange(count),
        np.zeros((count, count), bool),
    )


def of_infant(dataset: Dataset, infant: str) -> Dataset:
    """Returns the clips of one group.

    Raises:
        ValueError: If no clip has that group.
    """
    places = np.flatnonzero(dataset.groups == infant)
    if not len(places):
        names = sorted(set(dataset.groups))
        shown = ", ".join(names[:5]) + (" and more" if len(names) > 5 else "")
        raise ValueError(
            f"The infant must be one of the {plural(len(names), 'group')} of the "
            f"clips: {shown}. Received: {infant!r}."
        )
    return dataset.subset(places)
