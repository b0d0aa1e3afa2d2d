"""Trains one model again and again: once a fold, then once on everything.

The trainers keep one compiled graph a stage and put the first weights back before
each fold, so that nothing is traced twice and no fold knows another.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from cry_tf.augment import Mixup
from cry_tf.data.epoch_order import EpochOrder
from cry_tf.training import imbalance, memory
from cry_tf.training.course import Course, Fold, History, Tell, compile_once
from cry_tf.training.fit_keras import fit_courses
from cry_tf.training.recipe import Recipe
from cry_tf.training.stage import Stage
from cry_tf.training.versions import Versions
from cry_tf.training.whole_epochs import WholeEpochs

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


class HeadTrainer(KerasTrainer):
    """Trains the head of a model on embeddings that are computed already.

    Args:
        model: A `CryModel`; its own head is trained, its backbone untouched.
        embeddings: A float array `(time, features)` for each clip.
        truth: Int array `(clips,)`, index of the true label.
        recipe: How to train.
        seed: Draws the order of the clips.
        step_s: Seconds between two steps of the time axis.
        copies: For each clip, its augmented copies `(time, features)`. Training
            shows a clip and its copies in turn, in no longer epochs; only the
            clips themselves are scored.
        stage: Which of the recipe's stages, None for the last.
        hold_out: Takes validation clips from the training clips, or None.
        names: Of the clips, for errors.
    """

    def __init__(
        self,
        model: Any,
        embeddings: Sequence[np.ndarray],
        truth: np.ndarray,
        recipe: Recipe,
        seed: int,
        step_s: float,
        copies: Sequence[Sequence[np.ndarray]] = (),
        stage: Stage | None = None,
        hold_out: HoldOut | None = None,
        names: Sequence[str] = (),
    ):
        super().__init__(recipe, stage, hold_out)
        self._truth, self._seed, self._names = truth, seed, names
        every = [*embeddings, *(copy for clip in copies for copy in clip)]
        self._versions = Versions(len(embeddings), [len(clip) for clip in copies])
        self._steps = tf.constant(np.concatenate(every))  # (all steps, features)
        self._lengths = np.array([len(clip) for clip in every])
        self._starts = np.cumsum(self._lengths) - self._lengths
        self._step_s = step_s
        self._longest = max(1, math.ceil(recipe.max_seconds / step_s))
        self._head = model.head_model()
        # XLA makes a small head four times slower on a CPU.
        self._state = compile_once(self._head, recipe, jit_compile=False)
        labels = self._head.output_shape[-1]
        self._mixup = Mixup(recipe.mixup, labels, seed) if recipe.mixup else None
        self._epochs = self._whole_epochs()

    def _truth_at(self, indices: np.ndarray) -> np.ndarray:
        return self._truth[indices]

    def _course(self, indices: np.ndarray) -> Course:
        recipe, truth = self._recipe, self._truth[indices]
        imbalance.tell_counts(self._head.loss, truth)
        weights = np.ones(len(self._truth), np.float32)
        weights[indices] = imbalance.clip_weights(truth, recipe.imbalance)
        shown = imbalance.shown_places(truth, recipe.imbalance, self._seed)
        versions = self._versions.of(indices[shown])
        order = EpochOrder(versions, self._seed, recipe.batch_size, len(indices))
        self._epochs.begin(order, self.stage, weights)
        return Course(
            self._head,
            self._state,
            self.stage,
            order,
            self._epochs.batches,
            done=self._epochs.done,
            names=lambda places: (
                [self._names[int(clip)] for clip in self._versions.clip[places]]
                if len(self._names)
                else []
            ),
            advice=f"Lower --batch-size (now {recipe.batch_size}).",
        )

    def predict(self, indices: np.ndarray) -> np.ndarray:
        """Scores whole clips; see `Trainer`."""
        starts = range(0, len(indices), SCORING_BATCH)
        batches = [indices[start : start + SCORING_BATCH] for start in starts]
        longest_s = self._lengths[indices].max() * self._step_s
        advice = (
            f"Clips are scored whole, the longest lasts {longest_s:.0f} s: cut it into "
            "shorter ones."
        )
        with memory.explained(f"{len(indices)} clips were scored", advice):
            scores = [
                self._head.predict_on_batch(self._gather(batch, self._lengths))
                for batch in batches
            ]
        return np.concatenate(scores)

    def _whole_epochs(self) -> WholeEpochs:
        lengths = np.minimum(self._lengths, self._longest)

        def gather(places, seed, weights):
            clip = tf.gather(self._versions.clip, places)
            inputs = self._gather(places, lengths)
            truth, weight = tf.gather(self._truth, clip), tf.gather(weights, clip)
            if self._mixup is None:
                return inputs, truth, weight
            return self._mixup.mix_embeddings(seed, inputs, truth, weight)

        labels = self._head.output_shape[-1]
        truth = keras.KerasTensor((None,), "int64")
        if self._mixup is not None:
            truth = keras.KerasTensor((None, labels), "float32")
        specs = (
            tuple(self._head.inputs),
            truth,
            keras.KerasTensor((None,), "float32"),
        )
        return WholeEpochs(self._head, gather, self._recipe.batch_size, specs)

    def _gather(self, index: Any, lengths: np.ndarray) -> tuple:
        """Returns embeddings (batch, time, features) and mask (batch, time)."""
        starts = tf.gather(self._starts, index)
        steps = tf.gather(lengths, index)
        ragged = tf.gather(self._steps, tf.ragged.range(starts, starts + steps))
        features = self._steps.shape[-1]
        return ragged.to_tensor(shape=(None, None, features)), tf.sequence_mask(steps)


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
