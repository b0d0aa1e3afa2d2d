"""Layers that keep padding out of a network over a continuous spectrogram."""

from __future__ import annotations

from typing import Any

import keras

from cry_hub.time_mask import larger

ops: Any = keras.ops  # Keras types most results as perhaps None


@keras.saving.register_keras_serializable(package="cry_tf")
class FramesToImage(keras.layers.Layer):
    """Lays out the frames of a batch as images long enough to be pooled.

    Frames of padding become zeros, and a clip of fewer than `minimum` frames is
    completed with zeros: what a convolution sees beyond the end of its input.

    Args:
        minimum: Int > 0, how many frames an image has at least.
    Call arguments:
        inputs: Float tensor `(batch, frames, bands)`.
        is_real: Bool tensor `(batch, frames)`, False where a frame is padding.
    Output shape:
        `(batch, max(frames, minimum), bands, 1)`.
    """

    def __init__(self, minimum: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.minimum = minimum

    def call(self, inputs, is_real):
        weights = ops.expand_dims(ops.cast(is_real, inputs.dtype), -1)
        missing = larger(self.minimum - ops.shape(inputs)[1], 0)
        frames = ops.pad(inputs * weights, ((0, 0), (0, missing), (0, 0)))
        _, count, bands = ops.shape(frames)
        # One reshape: adding the channel by indexing with None does not convert
        # to TFLite when the number of frames is dynamic.
        return ops.reshape(frames, (-1, count, bands, 1))

    def compute_output_spec(self, inputs, is_real):
        batch, frames, bands = inputs.shape
        frames = None if frames is None else max(frames, self.minimum)
        return keras.KerasTensor((batch, frames, bands, 1), dtype=self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "minimum": self.minimum}


@keras.saving.register_keras_serializable(package="cry_tf")
class ImageMask(keras.layers.Layer):
    """Says which frames of `FramesToImage` the network takes for real.

    The first `minimum` frames always are, also where a short clip was completed.

    Args:
        minimum: Int > 0, as `FramesToImage` has it.
    Call arguments:
        inputs: Bool tensor `(batch, frames)`, False where a frame is padding.
    Output shape:
        Bool `(batch, max(frames, minimum), 1)`.
    """

    def __init__(self, minimum: int, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)
        self.minimum = minimum

    def call(self, inputs):
        first = ops.ones((ops.shape(inputs)[0], self.minimum), dtype="bool")
        mask = ops.concatenate((first, inputs[:, self.minimum :]), axis=1)
        return ops.expand_dims(mask, -1)

    def compute_output_spec(self, inputs):
        batch, frames = inputs.shape
        frames = None if frames is None else max(frames, self.minimum)
        return keras.KerasTensor((batch, frames, 1), dtype="bool")

    def get_config(self):
        return {**super().get_config(), "minimum": self.minimum}


@keras.saving.register_keras_serializable(package="cry_tf")
class HalveMask(keras.layers.Layer):
    """Says which frames are real after pooling pairs of them.

    A pair is real if both its frames are: of an odd number of real frames the
    last is left out, as it is at the end of a clip without padding.

    Call arguments:
        inputs: Bool tensor `(batch, frames, 1)`.
    Output shape:
        Bool `(batch, floor(frames / 2), 1)`.
    """

    def __init__(self, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)

    def call(self, inputs):
        return inputs[:, 1::2]

    def compute_output_spec(self, inputs):
        batch, frames, _ = inputs.shape
        frames = None if frames is None else frames // 2
        return keras.KerasTensor((batch, frames, 1), dtype="bool")


@keras.saving.register_keras_serializable(package="cry_tf")
class ZeroPadding(keras.layers.Layer):
    """Sets the frames of padding to zero, as a convolution sees what has no frame.

    Before every convolution of more than one frame: otherwise it carries padding
    into the last real frames.

    Call arguments:
        inputs: Float tensor `(batch, frames, bands, channels)`, or without bands.
        is_real: Bool tensor `(batch, frames, 1)`, or without bands.
    Output shape:
        That of `inputs`.
    """

    def call(self, inputs, is_real):
        return inputs * ops.expand_dims(ops.cast(is_real, inputs.dtype), -1)

    def compute_output_spec(self, inputs, is_real):
        return keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)


@keras.saving.register_keras_serializable(package="cry_tf")
class MeanOverBands(keras.layers.Layer):
    """Averages what is left of the frequency axis.

    Output shape:
        `(batch, frames, channels)` of `(batch, frames, bands, channels)`.
    """

    def call(self, inputs):
        return ops.mean(inputs, axis=2)

    def compute_output_shape(self, input_shape):
        batch, frames, _, channels = input_shape
        return (batch, frames, channels)


@keras.saving.register_keras_serializable(package="cry_tf")
class MaxPlusMeanOverTime(keras.layers.Layer):
    """Adds the maximum and the mean of a sequence over its real steps.

    Call arguments:
        inputs: Float tensor `(batch, time, features)`.
        is_real: Bool tensor `(batch, time)`, at least one True a row.
    Output shape:
        `(batch, features)`.
    """

    def call(self, inputs, is_real):
        mask = ops.expand_dims(is_real, -1)
        weights = ops.cast(mask, inputs.dtype)
        mean = ops.sum(inputs * weights, axis=1) / ops.sum(weights, axis=1)
        # A finite number below every other: float16 has no more.
        return ops.max(ops.where(mask, inputs, -65504.0), axis=1) + mean

    def compute_output_spec(self, inputs, is_real):
        shape = (inputs.shape[0], inputs.shape[-1])
        return keras.KerasTensor(shape, dtype=self.compute_dtype)
