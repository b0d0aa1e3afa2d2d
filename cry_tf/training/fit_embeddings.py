"""Trains the head of a model on embeddings that are computed already."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cry_tf.augment import Mixup
from cry_tf.data.epoch_order import EpochOrder
from cry_tf.training import imbalance, memory
from cry_tf.training.course import Course, compile_once
from cry_tf.training.fit import SCORING_BATCH, HoldOut, KerasTrainer
from cry_tf.training.recipe import Recipe
from cry_tf.training.stage import Stage
from cry_tf.training.versions import Versions
from cry_tf.training.whole_epochs import WholeEpochs


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
        self._state = compile_once(self._head, recipe)
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
