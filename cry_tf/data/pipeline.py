"""Feeds a dataset to Keras: waveforms in padded batches through `tf.data`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cry_lite.errors import SoundFileError
from cry_tf.data.decoding import add_problem, check_arguments, decoding_threads, read

if TYPE_CHECKING:
    import tensorflow as tf

    from cry_tf.data.dataset import Dataset, OnError


def to_tf(
    dataset: Dataset,
    batch_size: int = 32,
    sample_rate_hz: int = 16_000,
    shuffle: bool = False,
    seed: int = 0,
    max_seconds: float | None = None,
    on_error: OnError = "raise",
) -> tf.data.Dataset:
    """Returns a pipeline that decodes, resamples, pads and batches.

    Files are decoded in threads while the model works. The order is the same
    in every run with the same seed.

    Args:
        dataset: The clips.
        batch_size: Clips in a batch; the last batch may be smaller.
        sample_rate_hz: Rate of the waveforms, Hz: that of the model.
        shuffle: True draws a new order each epoch.
        seed: Draws the orders.
        max_seconds: Keeps the beginning of longer clips, None the whole.
        on_error: `raise` ends the epoch at a file that cannot be decoded, with
            its name in the error; `skip` leaves it out and adds it to
            `dataset.problems`.

    Returns:
        A `tf.data.Dataset` of (float32 `(batch, samples)` in [-1, 1], int32
        `(batch,)` places in `dataset.labels`). Waveforms are as long as the
        longest of their batch; the others end in zeros, which is padding.

    Raises:
        ValueError: If the dataset is empty or an argument breaks its rule.
    """
    import tensorflow as tf

    check_arguments(sample_rate_hz, on_error, max_seconds)
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1. Received: {batch_size=}.")
    if not dataset.clips:
        raise ValueError("A pipeline needs at least one clip. The dataset is empty.")
    classes = dataset.label_indices

    def decode(index: np.ndarray) -> np.ndarray:
        clip = dataset.clips[int(index)]
        try:
            return read(clip, sample_rate_hz, max_seconds)
        except OSError as error:
            if on_error == "raise":
                raise SoundFileError(str(error)) from None
            add_problem(dataset, clip, error)
            return np.zeros(0, np.float32)

    def decode_in_graph(index, label):
        waveform = tf.numpy_function(decode, [index], tf.float32)
        return tf.ensure_shape(waveform, [None]), label

    def has_sound(waveform, label):
        return tf.size(waveform) > 0

    clips: Any = tf.data.Dataset.from_tensor_slices((np.arange(len(classes)), classes))
    if shuffle:
        clips = clips.shuffle(len(classes), seed=seed, reshuffle_each_iteration=True)
    clips = clips.map(decode_in_graph, num_parallel_calls=decoding_threads())
    if on_error == "skip":
        clips = clips.filter(has_sound)
    clips = clips.padded_batch(batch_size, padded_shapes=([None], []))
    return clips.prefetch(tf.data.AUTOTUNE)
