"""Layers of the path from waveform to wavegram, without a trace of padding.

PANNs convolves the waveform with a stride of 5 and pools by 4 thrice: a wavegram
has a frame for 320 samples, a hop of its log-mel spectrogram. The counts of the two
differ, and after pooling pairs the original can join them only for some lengths
(an even number of hops, or at least 316 samples beyond an odd one). Here the
wavegram of any other clip is that of the clip completed with zeros to the next such
length; one of fewer frames than the network needs is completed to those.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from cry_hub.time_mask import fit, larger, real_length

ops: Any = keras.ops  # Keras types most results as perhaps None

STRIDE = 5
KERNEL_SAMPLES = 11
POOL = 4
_STEPS_PER_FRAME = POOL**3
_FRAME_SAMPLES = STRIDE * _STEPS_PER_FRAME
# Steps of a frame before, between and after the three pools.
_STEPS = tuple(POOL**power for power in (3, 2, 1, 0))


def _frames(samples: Any, minimum: int) -> Any:
    """Returns how many frames the arrays of so many samples have."""
    return larger(1 + samples // _FRAME_SAMPLES, minimum)


@keras.saving.register_keras_serializable(package="cry_tf")
class WaveformToFrames(keras.layers.Layer):
    """Completes waveforms to whole frames, and with what a kernel sees beyond.

    Args:
        minimum: Int > 0, how many frames there are at least.
    Call arguments:
        inputs: Float tensor `(batch, samples)`.
    Output shape:
        `(batch, 320 * frames + 10, 1)` with `frames` the larger of
        `1 + samples // 320` and `minimum`: 5 zeros stand at each end, as the
        first convolution of the original has them.
    """

    def __init__(self, minimum: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.minimum = minimum

    def call(self, inputs):
        samples = _FRAME_SAMPLES * _frames(ops.shape(inputs)[1], self.minimum)
        beyond = KERNEL_SAMPLES // 2
        signal = ops.pad(fit(inputs, samples), ((0, 0), (beyond, beyond)))
        return ops.reshape(signal, (-1, samples + 2 * beyond, 1))

    def compute_output_spec(self, inputs):
        batch, samples = inputs.shape
        if samples is not None:
            samples = _FRAME_SAMPLES * _frames(samples, self.minimum)
            samples += 2 * (KERNEL_SAMPLES // 2)
        return keras.KerasTensor((batch, samples, 1), dtype=self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "minimum": self.minimum}


@keras.saving.register_keras_serializable(package="cry_tf")
class WavegramMasks(keras.layers.Layer):
    """Says what the path to the wavegram takes for real, pool by pool.

    Args:
        minimum: Int > 0, as `WaveformToFrames` has it. Even.
    Call arguments:
        inputs: Float tensor `(batch, samples)`, the waveform. Padding is
            that of `TimeMask`, but for what completes a clip.
    Output shape:
        Four bool tensors `(batch, 64 * frames)`, `(batch, 16 * frames)`,
        `(batch, 4 * frames)` and `(batch, frames, 1)`.
    """

    def __init__(self, minimum: int, **kwargs: Any):
        # A cast of the waveform to 16 bits would turn faint samples into zeros.
        super().__init__(autocast=False, **kwargs)
        self.minimum = minimum

    def call(self, inputs):
        count = _frames(ops.shape(inputs)[1], self.minimum)
        length = real_length(inputs)
        # The frames that go into pairs, of the log-mel spectrogram and so of both.
        paired = (1 + length // _FRAME_SAMPLES) // 2 * 2
        # 4 samples less than the frames have: the last step has its first sample.
        completed = ops.maximum(paired, self.minimum) * _FRAME_SAMPLES - (STRIDE - 1)
        length = ops.maximum(length, completed)
        steps = (length + STRIDE - 1) // STRIDE
        masks = []
        for per_frame in _STEPS:
            real = ops.expand_dims(steps // (_STEPS_PER_FRAME // per_frame), 1)
            # Compared frame by frame: no constant has one number a step.
            left = real - ops.arange(count, dtype="int32") * per_frame
            position = np.arange(per_frame, dtype="int32")
            masks.append(position < ops.expand_dims(left, -1))
        *steps_of_frames, frames = masks
        batch = ops.shape(inputs)[0]
        return [
            *(ops.reshape(mask, (batch, -1)) for mask in steps_of_frames),
            frames,
        ]

    def compute_output_spec(self, inputs):
        batch, samples = inputs.shape
        frames = None if samples is None else _frames(samples, self.minimum)
        shapes = [
            (batch, None if frames is None else frames * per_frame)
            for per_frame in _STEPS[:-1]
        ]
        return [
            keras.KerasTensor(shape, dtype="bool")
            for shape in (*shapes, (batch, frames, 1))
        ]

    def get_config(self):
        return {**super().get_config(), "minimum": self.minimum}


@keras.saving.register_keras_serializable(package="cry_tf")
class ChannelsToBands(keras.layers.Layer):
    """Makes an image of a sequence: the channels are several for each band.

    Args:
        bands: Int > 0; neighbouring channels are neighbouring bands.
    Call arguments:
        inputs: Float tensor `(batch, frames, channels)`.
    Output shape:
        `(batch, frames, bands, channels // bands)`.
    """

    def __init__(self, bands: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.bands = bands

    def call(self, inputs):
        _, frames, channels = ops.shape(inputs)
        image = ops.reshape(inputs, (-1, frames, channels // self.bands, self.bands))
        return ops.transpose(image, (0, 1, 3, 2))

    def compute_output_shape(self, input_shape):
        batch, frames, channels = input_shape
        return (batch, frames, self.bands, channels // self.bands)

    def get_config(self):
        return {**super().get_config(), "bands": self.bands}
