"""Trains once a fold, so that every clip is scored by a model that never heard it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cry_tf.training.fit import History, Trainer

FINAL = "all"


@dataclass(frozen=True)
class HistoryRow:
    """One epoch.

    Attributes:
        fold: Number of the fold that was held out, or `all` for the final model.
        epoch: Number of the epoch, from 1.
        loss: Mean weighted loss over the training clips.
        accuracy: Share of the training clips answered rightly, while training.
    """

    fold: str
    epoch: int
    loss: float
    accuracy: float


@dataclass(frozen=True)
class OutOfFold:
    """What cross-validation gives.

    Attributes:
        scores: Float array `(clips, labels)`.
        folds: Int array `(clips,)`, the fold that held the clip out.
        history: One row an epoch of every fold.
    """

    scores: np.ndarray
    folds: np.ndarray
    history: tuple[HistoryRow, ...]


def cross_validate(
    trainer: Trainer,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    tell: Callable[[], None] = lambda: None,
) -> OutOfFold:
    """Trains on the first part of each fold, and scores the second.

    Args:
        trainer: How to train.
        folds: Places of the training and of the test clips; each clip is in one
            test part.
        tell: Called after each epoch.

    Returns:
        The out-of-fold scores.

    Raises:
        ValueError: If the test parts do not hold each clip once, or a loss is
            not finite.
    """
    tested = np.sort(np.concatenate([test for _, test in folds]))
    if not np.array_equal(tested, np.arange(len(tested))):
        raise ValueError("The folds must hold out each clip exactly once.")
    fold_of_clip = np.empty(len(tested), int)
    scores: np.ndarray | None = None
    history: list[HistoryRow] = []
    for number, (train, test) in enumerate(folds):
        trainer.reset()
        try:
            fitted = trainer.fit(train, lambda epoch: tell())
        except ValueError as error:
            raise ValueError(f"Fold {number}: {error}") from error
        history += history_rows(str(number), fitted)
        found = trainer.predict(test)
        if scores is None:
            scores = np.empty((len(tested), found.shape[1]), found.dtype)
        scores[test] = found
        fold_of_clip[test] = number
    if scores is None:
        raise ValueError("Cross-validation needs at least one fold. Received: 0.")
    return OutOfFold(scores, fold_of_clip, tuple(history))


def history_rows(fold: str, history: History) -> list[HistoryRow]:
    """Returns what Keras remembers of a fit as one row an epoch."""
    return [
        HistoryRow(fold, epoch + 1, loss, accuracy)
        for epoch, (loss, accuracy) in enumerate(
            zip(history["loss"], history["accuracy"], strict=True)
        )
    ]
