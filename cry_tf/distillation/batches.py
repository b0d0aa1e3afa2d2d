"""Feeds clips to a student, with what its teachers made of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from cry_lite.errors import SoundFileError
from cry_tf.data.decoding import decoding_threads
from cry_tf.data.embedding_plan import EmbeddingPlan
from cry_tf.data.waveform_batches import WaveformBatches
from cry_tf.distillation.teachers import TEACHER_FEATURES, TEACHER_LOGITS, WAVEFORM

if TYPE_CHECKING:
    from cry_tf.distillation.teacher_logits import TeacherLogits


def batches(
    cached: TeacherLogits,
    batch_size: int,
    sample_rate_hz: int | None,
    shuffle: bool | None,
    seed: int,
    labels: Sequence[str] | None,
) -> tf.data.Dataset:
    """Returns what `TeacherLogits.to_tf` does."""
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1. Received: {batch_size=}.")
    names = tuple(_names(cached, labels))
    shapes = {WAVEFORM: [None], TEACHER_LOGITS: cached.values.shape[1:]}
    if cached.features is not None:
        shapes[TEACHER_FEATURES] = cached.features.shape[1:]
    x = {name: tf.TensorSpec([None, *shape]) for name, shape in shapes.items()}
    return WaveformBatches(
        lambda rate_hz, is_shuffled, _: _pipeline(
            cached, batch_size, rate_hz, is_shuffled, seed, names
        ),
        size=math.ceil(len(cached) / batch_size),
        sample_rate_hz=sample_rate_hz or cached.sample_rate_hz,
        shuffle=shuffle,
        labels=names,
        own_labels=names,
        element_spec=(x, tf.TensorSpec([None], tf.int32)),
    )


def _pipeline(
    cached: TeacherLogits,
    batch_size: int,
    rate_hz: int,
    shuffle: bool,
    seed: int,
    labels: Sequence[str],
) -> tf.data.Dataset:
    """Returns the pipeline itself."""
    copies = cached.copies.shape[1]
    if rate_hz <= 0 or (copies and rate_hz != cached.sample_rate_hz):
        raise ValueError(
            "sample_rate_hz must be the student's, and that at which the copies were "
            f"made. Received: sample_rate_hz={rate_hz}, copies made at "
            f"{cached.sample_rate_hz} Hz. Ask TeacherCache.logits for the student's."
        )
    plan = EmbeddingPlan(
        cached.clips, cached.max_seconds, cached.augment, copies, cached.seed
    )
    places = {name: place for place, name in enumerate(labels)}
    truth = np.array([places.get(clip.label, -1) for clip in cached.clips], np.int32)
    # (clips, 1 + copies, ...)
    kept = {TEACHER_LOGITS: _versions(cached.values, cached.copies)}
    if cached.features is not None and cached.feature_copies is not None:
        kept[TEACHER_FEATURES] = _versions(cached.features, cached.feature_copies)

    def decode(index: np.ndarray, version: np.ndarray) -> np.ndarray:
        entry = plan.entries[plan.keys[int(index)][int(version)]]
        try:
            return plan.waveform(entry, rate_hz)
        except OSError as error:
            raise SoundFileError(str(error)) from None

    def in_graph(index, version):
        waveform = tf.numpy_function(decode, [index, version], tf.float32)
        x = {WAVEFORM: tf.ensure_shape(waveform, [None])}
        for name, values in kept.items():
            x[name] = tf.gather_nd(values, tf.stack([index, version]))
        return x, tf.gather(truth, index)

    clips: Any = tf.data.Dataset.range(len(truth))
    if shuffle:
        clips = clips.shuffle(len(truth), seed=seed, reshuffle_each_iteration=True)
    if shuffle and copies:
        drawn: Any = tf.data.Dataset.random(seed, rerandomize_each_iteration=True)
        drawn = drawn.take(len(truth)).map(lambda number: number % (1 + copies))
        clips = tf.data.Dataset.zip(clips, drawn)
    else:
        clips = clips.map(lambda index: (index, tf.constant(0, tf.int64)))
    clips = clips.map(in_graph, num_parallel_calls=decoding_threads())
    return clips.padded_batch(batch_size).prefetch(tf.data.AUTOTUNE)


def _names(cached: TeacherLogits, labels: Sequence[str] | None) -> Sequence[str]:
    """Returns the names that places in the labels have; empty for no labels."""
    count = cached.values.shape[-1]
    if labels is None:
        names = cached.labels or cached.dataset.labels
        if len(names) != count:
            raise ValueError(
                "labels must name what the logits are of, where the teacher does not. "
                f"Received: labels=None for {count} logits, and {len(names)} labels of "
                "the dataset. Give the student's labels, or () to use no labels."
            )
        return names
    is_other = cached.labels is not None and tuple(labels) != cached.labels
    if len(labels) and (len(labels) != count or is_other):
        raise ValueError(
            "The student's labels must be the teacher's, in the same order. Received: "
            f"labels={tuple(labels)!r}, the teacher's {cached.labels or count}. Build "
            "the student with labels=teacher.labels."
        )
    return labels


def _versions(values: np.ndarray, copies: np.ndarray) -> tf.Tensor:
    return tf.constant(np.concatenate([values[:, None], copies], axis=1))
