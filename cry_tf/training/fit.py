"""Trains one model again and again: once a fold, then once on everything.

The trainers keep one compiled graph a stage and put the first weights back before
each fold, so that nothing is traced twice and no fold knows another.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from cry_tf.training.course import Course, Fold, History, Tell
from cry_tf.training.fit_keras import fit_courses
from cry_tf.training.recipe import Recipe
from cry_tf.training.stage import Stage

SCORING_BATCH = 64
# From places of training clips to the places to train on and those to look at.
HoldOut = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


class Trainer(Protocol):
    """What cross-validation asks of a way to train.

    Attributes:
        epochs: How often `fit` calls `tell`, by stage.
    """

    epochs: Sequence[int]

    def reset(self) -> None:
        """Puts back the weights, optimizer and random state of the beginning."""
        ...

    def fit(
        self, indices: np.ndarray, tell: Tell | None = None, fold: Fold | None = None
    ) -> History:
        """Trains on the clips at these places; calls `tell` after each epoch."""
        ...

    def predict(self, indices: np.ndarray) -> np.ndarray:
        """Returns the scores `(clips, labels)` of the clips at these places."""
        ...


class KerasTrainer(abc.ABC):
    """One stage of training a Keras model by gradient; see `Trainer`."""

    def __init__(self, recipe: Recipe, stage: Stage | None, hold_out: HoldOut | None):
        self._recipe, self._hold_out = recipe, hold_out
        self.stage = recipe.stages[-1] if stage is None else stage
        self.epochs: Sequence[int] = (self.stage.epochs,)
        self._state: Any = None

    def reset(self) -> None:
        """Puts back the weights, optimizer and random state of the beginning."""
        self._state.restore()

    def fit(
        self, indices: np.ndarray, tell: Tell | None = None, fold: Fold | None = None
    ) -> History:
        """Trains the stage; see `Trainer`."""
        return fit_courses([lambda: self.course(indices)], [self.stage], tell, fold)

    def course(self, indices: np.ndarray) -> Course:
        """Returns the stage, ready to run on the clips at these places."""
        if self._hold_out is None:
            return self._course(indices)
        train, held = self._hold_out(indices)
        course = self._course(train)
        truth = self._truth_at(train)
        weigh = self._recipe.imbalance != "none"
        course.validate = lambda: validation_loss(
            self.predict(held), self._truth_at(held), truth if weigh else None
        )
        return course

    @abc.abstractmethod
    def predict(self, indices: np.ndarray) -> np.ndarray:
        """Scores whole clips; see `Trainer`."""

    @abc.abstractmethod
    def _course(self, indices: np.ndarray) -> Course:
        """Returns the stage on the clips at these places, all of them trained on."""

    @abc.abstractmethod
    def _truth_at(self, indices: np.ndarray) -> np.ndarray:
        """Returns the labels of the clips at these places, int `(clips,)`."""


def validation_loss(
    scores: np.ndarray, truth: np.ndarray, trained_truth: np.ndarray | None
) -> float:
    """Returns the mean cross-entropy of scores.

    Args:
        scores: Float `(clips, labels)`, shares.
        truth: Int `(clips,)`.
        trained_truth: Labels of the training clips, by whose inverse shares a clip
            weighs; None lets every clip count the same.
    """
    weights = np.ones(scores.shape[1])
    if trained_truth is not None:
        counts = np.bincount(trained_truth, minlength=scores.shape[1])
        weights = len(trained_truth) / np.maximum(counts, 1)
    losses = -np.log(np.maximum(scores[np.arange(len(truth)), truth], 1e-7))
    return float(np.average(losses, weights=weights[truth]))
