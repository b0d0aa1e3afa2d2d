"""Trains one model again and again: once a fold, then once on everything.

Both trainers keep one compiled graph and put the first weights back before each
fold, so that nothing is traced twice and no fold knows another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from cry_tf.augment import Mixup, Policy
from cry_tf.data import Dataset, sound_source
from cry_tf.training import imbalance
from cry_tf.training.fit_keras import History, Tell, compile_once, fit_epochs
from cry_tf.training.recipe import Recipe
from cry_tf.training.strategy import ONE_DEVICE, Devices

_SCORING_BATCH = 64
_SCORING_SECONDS = 320.0


class Trainer(Protocol):
    """What cross-validation asks of a way to train.

    Attributes:
        epochs: How often `fit` calls `tell`.
    """

    epochs: int

    def reset(self) -> None:
        """Puts back the weights, optimizer and random state of the beginning."""
        ...

    def fit(self, indices: np.ndarray, tell: Tell | None = None) -> History:
        """Trains on the clips at these places; calls `tell` after each epoch."""
        ...

    def predict(self, indices: np.ndarray) -> np.ndarray:
        """Returns the scores `(clips, labels)` of the clips at these places."""
        ...


class HeadTrainer:
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
    ):
        self._truth, self._recipe, self._seed = truth, recipe, seed
        self.epochs = recipe.epochs
        every = [*embeddings, *(copy for clip in copies for copy in clip)]
        self._versions = _versions(len(embeddings), [len(clip) for clip in copies])
        self._steps = tf.constant(np.concatenate(every))  # (all steps, features)
        self._lengths = np.array([len(clip) for clip in every])
        self._starts = np.cumsum(self._lengths) - self._lengths
        self._longest = max(1, math.ceil(recipe.max_seconds / step_s))
        self._head = model.head_model()
        # XLA makes a small head four times slower on a CPU.
        self._state = compile_once(self._head, recipe, jit_compile=False)

    def reset(self) -> None:
        """Puts back the weights, optimizer and random state of the beginning."""
        self._state.restore()

    def fit(self, indices: np.ndarray, tell: Tell | None = None) -> History:
        """Trains the head; see `Trainer`."""
        recipe, truth = self._recipe, self._truth[indices]
        imbalance.tell_counts(self._head.loss, truth)
        weights = imbalance.clip_weights(truth, recipe.imbalance)
        shown = imbalance.shown_places(truth, recipe.imbalance, self._seed)
        versions = [self._versions[index] for index in indices[shown]]
        times = [len(version) for version in versions]
        clips: Any = tf.data.Dataset.from_tensor_slices(
            (
                np.concatenate(versions),
                np.repeat(truth[shown], times),
                np.repeat(weights[shown], times),
            )
        )
        clips = clips.shuffle(sum(times), self._seed, reshuffle_each_iteration=True)
        steps = _steps_an_epoch(len(indices), sum(times), recipe)
        if steps is not None:
            clips = clips.repeat()
        lengths = np.minimum(self._lengths, self._longest)
        batches = clips.batch(recipe.batch_size).map(
            lambda index, truth, weight: (*self._gather(index, lengths), truth, weight)
        )
        batches = batches.map(lambda x, mask, y, weight: ((x, mask), y, weight))
        if recipe.mixup:
            mixup = Mixup(recipe.mixup, self._head.output_shape[-1], self._seed)
            batches = mixup.embeddings(batches)
        return fit_epochs(self._head, batches.prefetch(2), recipe, tell, steps)

    def predict(self, indices: np.ndarray) -> np.ndarray:
        """Scores whole clips; see `Trainer`."""
        batches = tf.data.Dataset.from_tensor_slices(indices).batch(_SCORING_BATCH)
        batches = batches.map(lambda index: (self._gather(index, self._lengths),))
        return self._head.predict(batches, verbose=0)

    def _gather(self, index: tf.Tensor, lengths: np.ndarray) -> tuple:
        """Returns embeddings (batch, time, features) and mask (batch, time)."""
        starts = tf.gather(self._starts, index)
        steps = tf.gather(lengths, index)
        ragged = tf.gather(self._steps, tf.ragged.range(starts, starts + steps))
        features = self._steps.shape[-1]
        return ragged.to_tensor(shape=(None, None, features)), tf.sequence_mask(steps)


class WaveformTrainer:
    """Trains every layer of a model, from the waveform on.

    Args:
        model: A `CryModel`.
        dataset: Clips whose labels are the model's, in its order.
        recipe: How to train.
        seed: Draws the order of the clips, and what augmentation draws.
        policy: How training clips are augmented, anew in each epoch, or None.
        devices: Where to train; the model was built within their `scope`.
    """

    def __init__(
        self,
        model: Any,
        dataset: Dataset,
        recipe: Recipe,
        seed: int,
        policy: Policy | None = None,
        devices: Devices = ONE_DEVICE,
    ):
        self._model, self._dataset, self._policy = model, dataset, policy
        self._recipe, self._seed = recipe, seed
        self.epochs = recipe.epochs
        self._rate_hz = model.spec.sample_rate_hz
        devices.check_batch_size(recipe.batch_size)
        self._devices, self._scoring = devices, None
        is_jit = model.backbone.prefers_jit and devices.replicas == 1
        with devices.scope():
            self._state = compile_once(model, recipe, jit_compile=is_jit)
        devices.adopt(model)

    def reset(self) -> None:
        """Puts back the weights, optimizer and random state of the beginning."""
        self._state.restore()

    def fit(self, indices: np.ndarray, tell: Tell | None = None) -> History:
        """Trains the whole model; see `Trainer`."""
        recipe, truth = self._recipe, self._dataset.label_indices[indices]
        imbalance.tell_counts(self._model.loss, truth)
        weights = np.zeros(len(self._dataset.labels), np.float32)
        weights[truth] = imbalance.clip_weights(truth, recipe.imbalance)
        shown = imbalance.shown_places(truth, recipe.imbalance, self._seed)
        batches = self._dataset.subset(indices[shown]).to_tf(
            batch_size=recipe.batch_size,
            sample_rate_hz=self._rate_hz,
            shuffle=True,
            seed=self._seed,
            max_seconds=recipe.max_seconds,
            augment=self._policy,
        )
        steps = _steps_an_epoch(len(indices), len(shown), recipe)
        if steps is not None:
            batches = batches.repeat()
        batches = batches.map(lambda x, y: (x, y, tf.gather(weights, y)))
        if recipe.mixup:
            mixup = Mixup(recipe.mixup, len(weights), self._seed)
            batches = mixup.waveforms(batches)
        batches = self._devices.distribute(self._model, batches)
        return fit_epochs(self._model, batches, recipe, tell, steps)

    def predict(self, indices: np.ndarray) -> np.ndarray:
        """Scores whole clips; see `Trainer`."""
        part = self._dataset.subset(indices)
        # One long recording must not be padded to by a whole batch of them.
        longest_s = max(sound_source.info(clip.path).duration_s for clip in part.clips)
        most = max(1, int(_SCORING_SECONDS / max(longest_s, 1e-3)))
        batches = part.to_tf(
            batch_size=min(most, _SCORING_BATCH), sample_rate_hz=self._rate_hz
        )
        self._scoring = self._devices.local_copy(self._model, self._scoring)
        return self._scoring.predict(batches, verbose=0)


def _versions(clips: int, copies: Sequence[int]) -> list[np.ndarray]:
    """Returns for each clip the places of itself and of its copies.

    The clips come first, then all copies, clip by clip.
    """
    ends = clips + np.cumsum(copies, dtype=int)
    return [
        np.append(clip, np.arange(end - count, end))
        for clip, (end, count) in enumerate(zip(ends, copies, strict=True))
    ] or [np.array([clip]) for clip in range(clips)]


def _steps_an_epoch(clips: int, shown: int, recipe: Recipe) -> int | None:
    """Returns how many batches make an epoch, None for all of them.

    Where more is shown than there are clips (copies, or rare labels again), an
    epoch stays as long as the clips are, and the next one goes on from there.
    """
    return None if shown == clips else math.ceil(clips / recipe.batch_size)
