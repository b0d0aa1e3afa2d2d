"""Trains a twin to answer as it did before."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from cry_export.compress.compression import FineTuning

_SCORING_BATCH = 16


@dataclass(frozen=True)
class Clips:
    """Waveforms of different lengths, one behind the other in a file.

    The first are those of `edges`.

    Attributes:
        samples: Float32 `(samples of all clips,)`.
        ends: Int `(clips,)`, where each clip ends.
    """

    samples: np.ndarray
    ends: np.ndarray

    def __len__(self) -> int:
        return len(self.ends)

    def batch(self, indices: np.ndarray) -> np.ndarray:
        """Returns the clips `(batch, samples)`, completed with zeros."""
        starts = np.concatenate(([0], self.ends))[indices]
        lengths = self.ends[indices] - starts
        waveforms = np.zeros((len(indices), lengths.max()), np.float32)
        for row, (start, length) in enumerate(zip(starts, lengths, strict=True)):
            waveforms[row, :length] = self.samples[start : start + length]
        return waveforms


def answers(twin: tf_keras.Model, clips: Clips) -> np.ndarray:
    """Returns the scores `(clips, labels)` of a twin."""
    ask = tf.function(twin, reduce_retracing=True)
    places = [
        np.arange(start, min(start + _SCORING_BATCH, len(clips)))
        for start in range(0, len(clips), _SCORING_BATCH)
    ]
    found = [ask(tf.constant(clips.batch(each)), training=False) for each in places]
    return np.concatenate([np.asarray(each) for each in found])


def steps_of(clips: Clips, tuning: FineTuning) -> int:
    """Returns how many steps the training will have."""
    return tuning.epochs * math.ceil(len(clips) / tuning.batch_size)


def fine_tune(
    twin: tf_keras.Model,
    clips: Clips,
    targets: np.ndarray,
    tuning: FineTuning,
    callbacks: Sequence[tf_keras.callbacks.Callback] = (),
) -> list[float]:
    """Trains a twin; prints one line of JSON per epoch on stdout.

    Args:
        twin: Prepared by tensorflow-model-optimization.
        clips: Training clips.
        targets: Float `(clips, labels)`, the scores to learn.
        tuning: Epochs, learning rate, batch size and seed.
        callbacks: Callbacks of tensorflow-model-optimization.

    Returns:
        The loss of each epoch: the mean cross-entropy between scores.

    Raises:
        ValueError: If the loss does not stay finite.
    """
    steps = steps_of(clips, tuning)
    rate: Any = tf_keras.optimizers.schedules.CosineDecay(
        tuning.learning_rate, steps, alpha=0.1
    )
    twin.compile(tf_keras.optimizers.Adam(rate), "categorical_crossentropy")
    history: Any = twin.fit(
        _Batches(clips, targets, tuning),
        epochs=tuning.epochs,
        shuffle=False,
        verbose=0,  # type: ignore[arg-type]
        callbacks=[*callbacks, _Progress(tuning.epochs)],
    )
    return [float(loss) for loss in history.history["loss"]]


class _Batches(tf_keras.utils.Sequence):
    """The clips of an epoch, in a new random order each epoch."""

    def __init__(self, clips: Clips, targets: np.ndarray, tuning: FineTuning):
        self._clips, self._targets, self._tuning = clips, targets, tuning
        self._rng = np.random.default_rng(tuning.seed)
        self._order = self._rng.permutation(len(clips))

    def __len__(self) -> int:
        return math.ceil(len(self._clips) / self._tuning.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        size = self._tuning.batch_size
        places = self._order[index * size : (index + 1) * size]
        return self._clips.batch(places), self._targets[places]

    def on_epoch_end(self) -> None:
        self._order = self._rng.permutation(len(self._clips))


class _Progress(tf_keras.callbacks.Callback):
    def __init__(self, epochs: int):
        super().__init__()
        self._epochs = epochs

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        loss = float((logs or {}).get("loss", math.nan))
        if not math.isfinite(loss):
            raise ValueError(
                f"The loss must stay finite. It became {loss} in epoch {epoch + 1}. "
                "Lower the learning rate, or look for a damaged clip."
            )
        print(json.dumps({"epoch": epoch + 1, "loss": loss}), flush=True)
