"""Feeds a dataset to Keras: waveforms in padded batches through `tf.data`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cry_lite.errors import SoundFileError
from cry_tf.data.clip import Augmentation, LabelledClips, OnError, class_indices
from cry_tf.data.decoding import (
    add_problem,
    check_arguments,
    cut,
    decoding_threads,
    read,
)

if TYPE_CHECKING:
    import tensorflow as tf

    from cry_tf.data.epoch_order import EpochOrder


def to_tf(
    dataset: LabelledClips,
    batch_size: int = 32,
    sample_rate_hz: int | None = None,
    shuffle: bool | None = None,
    seed: int = 0,
    max_seconds: float | None = None,
    on_error: OnError = "raise",
    augment: Augmentation | None = None,
    order: EpochOrder | None = None,
    labels: Sequence[str] | None = None,
) -> tf.data.Dataset:
    """Returns batches: decoded, resampled, augmented, padded.

    Sample rate, labels and shuffling default to those of the model that takes the
    batches: `fit`, `evaluate` and `predict` of a `CryClassifier`, a `CryDetector`, a
    `Distiller` or a backbone take clips at the model's rate with the model's label
    indices, and `fit` shuffles them in each epoch.

    Files are decoded and augmented in threads while the model works. The order
    and the augmentation are the same in every run with the same seed.

    Args:
        dataset: The clips.
        batch_size: Clips per batch, int >= 1; the last batch may be smaller.
            Default: 32.
        sample_rate_hz: Sample rate of the waveforms, Hz. None takes the model's;
            required to iterate, to `map`, or for any other model.
        shuffle: True shuffles in each epoch, False keeps the order of the clips.
            None, the default, shuffles in `fit` only.
        seed: Int, random seed of order and augmentation. Default: 0.
        max_seconds: Longer clips are cut to this, s, also after augmentation; None
            keeps all.
        on_error: `raise` ends the epoch at a file that cannot be decoded, with
            its name in the error; `skip` leaves it out and adds it to
            `dataset.problems`.
        augment: Augmentation policy, drawn again in each epoch and reproducible by
            seed, epoch and position; None for none. For training batches only:
            they are shuffled, and `seed` is not negative.
        order: Gives for each epoch which places of `dataset.clips` are shown and
            in which order, in place of all of them shuffled by `seed`.
            Augmentation is then drawn from the seed, the epoch's number and the
            position in it.
        labels: Names of the label indices. None takes the model's, without a model
            those of `dataset`.

    Returns:
        A `tf.data.Dataset` of (float32 `(batch, samples)` in [-1, 1], int32
        `(batch,)` label indices). Waveforms are as long as the longest of
        their batch; the others end in zeros, which is padding.

    Raises:
        ValueError: If the dataset is empty or an argument breaks its rule. Later,
            if a clip has a label that the model does not have.
    """
    check_arguments(sample_rate_hz or 1, on_error, max_seconds)
    if sample_rate_hz is not None:
        check_arguments(sample_rate_hz, on_error, max_seconds)
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1. Received: {batch_size=}.")
    if augment is not None and (shuffle is False or seed < 0):
        raise ValueError(
            "augment is for training batches: it takes shuffle=True and a seed of at "
            f"least 0. Received: {shuffle=}, {seed=}. Leave it out where a model is "
            "judged."
        )
    if not dataset.clips:
        raise ValueError("A pipeline needs at least one clip. The dataset is empty.")

    def make(rate_hz: int, is_shuffled: bool, names: tuple[str, ...]) -> Any:
        return _pipeline(
            *(dataset, batch_size, rate_hz, is_shuffled, seed),
            *(max_seconds, on_error, augment, order, names),
        )

    from cry_tf.data.waveform_batches import WaveformBatches

    # With skipped files or an order of its own, the number of batches is not known.
    is_known = order is None and on_error == "raise"
    return WaveformBatches(
        make,
        size=math.ceil(len(dataset) / batch_size) if is_known else None,
        sample_rate_hz=sample_rate_hz,
        shuffle=True if augment is not None else shuffle,
        labels=None if labels is None else tuple(labels),
        own_labels=dataset.labels,
        is_augmented=augment is not None,
    )


def _pipeline(
    dataset: LabelledClips,
    batch_size: int,
    sample_rate_hz: int,
    shuffle: bool,
    seed: int,
    max_seconds: float | None,
    on_error: OnError,
    augment: Augmentation | None,
    order: EpochOrder | None,
    labels: tuple[str, ...],
) -> Any:
    """Returns the pipeline itself; see `to_tf`."""
    import tensorflow as tf

    classes = class_indices(dataset.clips, labels)

    def decode(
        index: np.ndarray, epoch: np.ndarray, position: np.ndarray
    ) -> np.ndarray:
        clip = dataset.clips[int(index)]
        try:
            waveform = read(clip, sample_rate_hz, max_seconds)
        except OSError as error:
            if on_error == "raise":
                raise SoundFileError(str(error)) from None
            add_problem(dataset, clip, error)
            return np.zeros(0, np.float32)
        if augment is None:
            return waveform
        rng = np.random.default_rng([seed, int(epoch), int(position)])
        return cut(augment(waveform, sample_rate_hz, rng), sample_rate_hz, max_seconds)

    def decode_in_graph(index, label, epoch=0, position=None):
        position = index if position is None else position
        waveform = tf.numpy_function(decode, [index, epoch, position], tf.float32)
        return tf.ensure_shape(waveform, [None]), label

    def has_sound(waveform, label):
        return tf.size(waveform) > 0

    clips: Any = tf.data.Dataset.from_tensor_slices((np.arange(len(classes)), classes))
    if order is not None:
        clips = order.to_tf().map(
            lambda place, position, epoch: (
                *(place, tf.gather(classes, place)),
                *(epoch, position),
            )
        )
    elif shuffle:
        clips = clips.shuffle(len(classes), seed=seed, reshuffle_each_iteration=True)
    if augment is not None and order is None:
        clips = _with_epoch(clips, seed)
    clips = clips.map(decode_in_graph, num_parallel_calls=decoding_threads())
    if on_error == "skip":
        clips = clips.filter(has_sound)
    clips = clips.padded_batch(batch_size, padded_shapes=([None], []))
    return clips.prefetch(tf.data.AUTOTUNE)


def _with_epoch(clips: Any, seed: int) -> Any:
    """Adds a number to each element that differs from epoch to epoch.

    Like the order of a shuffled dataset, it follows from the seed and from how
    often the dataset was iterated over.
    """
    import tensorflow as tf

    numbers: Any = tf.data.Dataset.random(seed, rerandomize_each_iteration=True)
    epoch = numbers.take(1).flat_map(
        lambda number: tf.data.Dataset.from_tensors(number).repeat()
    )
    zipped: Any = tf.data.Dataset.zip(clips, epoch)
    zipped = zipped.map(lambda clip, number: (*clip, number))
    return zipped.apply(tf.data.experimental.assert_cardinality(clips.cardinality()))
