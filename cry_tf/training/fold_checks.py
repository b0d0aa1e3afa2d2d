"""Checks folds before the first one is trained, and holds validation clips out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cry_tf.data import Dataset
from cry_tf.data.splitting import split_indices
from cry_tf.training.fit import HoldOut
from cry_tf.training.listener import Listener
from cry_tf.training.settings import Settings


def hold_out_of(dataset: Dataset, settings: Settings) -> HoldOut | None:
    """Returns what takes validation clips from training clips, by group.

    None if the recipe holds none out.
    """
    share = settings.recipe.validation
    if not share:
        return None

    def split(indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        train, held = split_indices(dataset.subset(indices), share, settings.seed)
        return indices[train], indices[held]

    return split


def check_folds(
    dataset: Dataset,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    settings: Settings,
    listener: Listener,
) -> None:
    """Checks that every fold can be trained, before the first one is.

    Args:
        dataset: The clips.
        folds: Places of the training and of the test clips.
        settings: Of the run.
        listener: Hears of labels that a fold does not hold out.

    Raises:
        ValueError: If a training part lacks a label, or too few groups are left
            to hold validation clips out.
    """
    hold_out = hold_out_of(dataset, settings)
    for number, (train, test) in enumerate(folds):
        lacking = [_lacking(dataset, part) for part in (train, test)]
        if lacking[0]:
            raise ValueError(
                "The training clips of a fold must hold every label. Fold "
                f"{number} lacks {', '.join(lacking[0])}: all its groups are held "
                "out. Take fewer folds or another seed, or record more sources."
            )
        if lacking[1]:
            listener.warn(
                f"fold {number} holds out no clip of {', '.join(lacking[1])}: too few "
                "groups have it"
            )
        if hold_out is not None:
            try:
                hold_out(train)
            except ValueError as error:
                raise ValueError(
                    f"The recipe {settings.recipe.name} holds validation clips out "
                    f"of each fold's training clips, by group. Fold {number}: {error} "
                    "Or take a recipe without validation: quick or full."
                ) from error


def _lacking(dataset: Dataset, places: np.ndarray) -> list[str]:
    found = set(dataset.label_indices[places])
    return [label for n, label in enumerate(dataset.labels) if n not in found]
