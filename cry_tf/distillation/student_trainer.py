"""Trains a student on labels and on the logits of its teachers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from cry_lite.errors import SoundFileError
from cry_tf.data import sound_source
from cry_tf.data.decoding import decoding_threads
from cry_tf.data.epoch_order import EpochOrder
from cry_tf.distillation.distiller import Distiller
from cry_tf.distillation.lesson import Lesson
from cry_tf.distillation.teachers import TEACHER_LOGITS, WAVEFORM
from cry_tf.training import imbalance
from cry_tf.training.optimizers import Adam
from cry_tf.training.recipe import Recipe
from cry_tf.training.trainer import (
    SCORING_BATCH,
    Fold,
    History,
    OnEpoch,
    StageFit,
    State,
    fit_stages,
)

_SCORING_SECONDS = 320.0


class StudentTrainer:
    """Trains a student for each fold, always from the same initial weights.

    Args:
        model: The student, a `CryModel`.
        lesson: The clips that it is trained on.
        recipe: How to train; one stage that trains every layer.
        seed: Draws the order.
        temperature: See `Distiller`.
        alpha: See there; 1 for a student alone.
        teacher_weights: One number a teacher, None for equal ones.
        micro_batch: Clips that are in memory at once, a divisor of the recipe's
            batch; None for all of them.
    """

    def __init__(
        self,
        model: Any,
        lesson: Lesson,
        recipe: Recipe,
        seed: int,
        temperature: float,
        alpha: float,
        teacher_weights: Sequence[float] | None = None,
        micro_batch: int | None = None,
    ):
        self._model, self._lesson = model, lesson
        self._recipe, self._seed = recipe, seed
        self._rate_hz: int = model.spec.sample_rate_hz
        self._stage = recipe.stages[-1]
        self.epochs = (self._stage.epochs,)
        self._distiller = Distiller(
            None, model, temperature, alpha, teacher_weights=teacher_weights
        )
        self._micro = micro_batch or recipe.batch_size
        self._scored_at_once = min(micro_batch or SCORING_BATCH, SCORING_BATCH)
        whole = max(1, min(recipe.batch_size, len(lesson.dataset) // 2))
        accumulated = max(1, whole // self._micro)
        self._distiller.compile(
            Adam(
                recipe.learning_rate,
                beta_1=recipe.beta_1,
                beta_2=recipe.beta_2,
                gradient_accumulation_steps=accumulated if accumulated > 1 else None,
            ),
            metrics=["accuracy"],
        )
        model.jit_compile = False  # `predict` takes clips of any length
        self._state = State(self._distiller)

    def reset(self) -> None:
        """Puts back the weights and the optimizer of the beginning."""
        self._state.restore()

    def fit(
        self,
        indices: np.ndarray,
        logits: np.ndarray,
        truth: np.ndarray,
        on_epoch: OnEpoch | None = None,
        fold: Fold | None = None,
    ) -> History:
        """Trains on clips of the lesson.

        Args:
            indices: Their places.
            logits: Float32 `(all clips, versions, teachers, labels)`.
            truth: Int `(all clips,)`, -1 without a label.
            on_epoch: Called after each epoch.
            fold: What surrounds the fit.

        Raises:
            ValueError: If the loss does not stay finite, or a file cannot be read.
        """
        make = [lambda: self._stage_fit(indices, logits, truth)]
        return fit_stages(make, [self._stage], on_epoch, fold)

    def _stage_fit(
        self, indices: np.ndarray, logits: np.ndarray, truth: np.ndarray
    ) -> StageFit:
        recipe, lesson = self._recipe, self._lesson
        labelled = indices[truth[indices] >= 0]
        # The last weight, at index -1, is that of clips without a label.
        weights = np.ones(len(self._model.labels) + 1, np.float32)
        weights[truth[labelled]] = imbalance.clip_weights(
            truth[labelled], recipe.imbalance
        )
        shown = labelled[
            imbalance.shown_places(truth[labelled], recipe.imbalance, self._seed)
        ]
        shown = np.concatenate([shown, indices[truth[indices] < 0]])
        every = (shown[:, None] * lesson.versions + np.arange(lesson.versions)).ravel()
        # Small enough for at least two steps per epoch, also in a small fold.
        batch_size = max(1, min(self._micro, len(indices) // 2))
        order = EpochOrder(every, self._seed, batch_size, len(indices))
        kept = tf.constant(logits.reshape(-1, *logits.shape[2:]))
        known, weighed = tf.constant(truth), tf.constant(weights[truth])

        def decode(place: np.ndarray) -> np.ndarray:
            clip, version = divmod(int(place), lesson.versions)
            try:
                return lesson.waveform(clip, version, self._rate_hz)
            except OSError as error:
                raise SoundFileError(str(error)) from None

        def in_graph(place, *_):
            clip = place // lesson.versions
            waveform = tf.numpy_function(decode, [place], tf.float32)
            x = {
                WAVEFORM: tf.ensure_shape(waveform, [None]),
                TEACHER_LOGITS: tf.gather(kept, place),
            }
            return x, tf.gather(known, clip), tf.gather(weighed, clip)

        batches: Any = order.to_tf().map(
            in_graph, num_parallel_calls=decoding_threads()
        )
        clips, versions = lesson.dataset.clips, lesson.versions
        return StageFit(
            self._distiller,
            self._state,
            self._stage,
            order,
            batches.padded_batch(batch_size).prefetch(2),
            names=lambda places: [clips[n // versions].name for n in places],
            advice=f"Lower --batch-size (now {recipe.batch_size}).",
        )

    def predict(self, indices: np.ndarray) -> np.ndarray:
        """Returns the scores `(clips, labels)` of whole labelled clips."""
        part = self._lesson.labelled.subset(indices)
        longest_s = max(sound_source.info(clip.path).duration_s for clip in part.clips)
        most = max(1, int(_SCORING_SECONDS / max(longest_s, 1e-3)))
        batches = part.to_tf(
            batch_size=min(most, self._scored_at_once),
            sample_rate_hz=self._rate_hz,
        )
        return self._model.predict(batches, verbose=0)
