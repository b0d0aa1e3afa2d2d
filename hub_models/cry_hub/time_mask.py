"""Which steps of a model's time axis are audio and which are padding."""

from __future__ import annotations

from typing import Any

import keras

from cry_hub.blocks import BLOCK_SAMPLES, POSITIONS, in_blocks, is_before, starts
from cry_lite.log_mel import num_steps
from cry_lite.padding import PADDING_LEVEL, PADDING_SHARE
from cry_lite.spec import FrontEndSpec

ops: Any = keras.ops  # Keras types most results as perhaps None


def real_length(waveform: Any) -> Any:
    """Returns the number of samples before the padding of each row.

    The rule is that of `cry_lite.padding`.

    Args:
        waveform: Float tensor `(batch, samples)`.

    Returns:
        Int32 tensor `(batch,)`; 0 for a row of zeros.
    """
    signal = in_blocks(waveform)
    batch, blocks, _ = ops.shape(signal)
    peaks = ops.max(ops.abs(signal), axis=2)  # (batch, blocks)
    peak = ops.max(peaks, axis=1, keepdims=True)
    level = ops.minimum(peak * PADDING_SHARE, PADDING_LEVEL)
    # Not "above": NaN is no padding.
    is_real = ops.cast(ops.logical_not(peaks <= level), "int32")
    last = ops.max(is_real * ops.arange(blocks, dtype="int32"), axis=1)
    row = ops.arange(batch, dtype="int32") * blocks
    # The rest is found in that block alone: the first where no sample is real.
    block = ops.take(ops.reshape(signal, (-1, BLOCK_SAMPLES)), row + last, axis=0)
    is_real = ops.cast(ops.logical_not(ops.abs(block) <= level), "float32")
    place = ops.cast(ops.max(is_real * POSITIONS, axis=1), "int32")
    return last * BLOCK_SAMPLES + place + ops.max(ops.cast(is_real, "int32"), axis=1)


def cleared(waveform: Any, length: Any) -> Any:
    """Sets the padding of a waveform to zero.

    Args:
        waveform: Float32 tensor `(batch, samples)`.
        length: Int32 tensor `(batch,)`, what `real_length` gives.

    Returns:
        Float32 tensor `(batch, samples)`, completed with zeros to whole blocks of
        512 samples.
    """
    signal = in_blocks(waveform)
    batch, blocks, _ = ops.shape(signal)
    signal = signal * is_before(starts(blocks), length)
    return ops.reshape(signal, (batch, blocks * BLOCK_SAMPLES))


def fit(waveform: Any, samples: Any) -> Any:
    """Cuts a waveform to so many samples, or completes it with zeros.

    Args:
        waveform: Float tensor `(batch, old)`.
        samples: Int, or int tensor where `old` is not known beforehand.

    Returns:
        Float tensor `(batch, samples)`.
    """
    missing = larger(samples - ops.shape(waveform)[1], 0)
    return ops.pad(waveform, ((0, 0), (0, missing)))[:, :samples]


def completed(waveform: Any, samples: Any) -> Any:
    """Completes a waveform with zeros to so many samples, at least what it has.

    `fit` without the cut: where no length is known beforehand, TFLite would copy
    every sample for it once more.
    """
    return ops.pad(waveform, ((0, 0), (0, samples - ops.shape(waveform)[1])))


def larger(size: Any, other: Any) -> Any:
    """Returns the larger of two sizes, an int if both are.

    `ops.maximum` makes a tensor of two ints, and a shape would no longer be known
    before the model runs.
    """
    return (size + other + abs(size - other)) // 2


@keras.saving.register_keras_serializable(package="cry_tf")
class TimeMask(keras.layers.Layer):
    """Says which steps of the time axis are made of audio, not of padding.

    Padding is the tail of a waveform that `cry_lite.padding` says. The first step
    is always real, so that silence has an answer too.

    Args:
        spec: `FrontEndSpec` of the model's `FrontEnd`, or its `to_dict()`.
        stride: Int > 0, how many steps of the front end become one step of
            the model's output.
        partial_group: String. `"keep"`: a group of `stride` steps is real if
            its first step is. `"drop"`: if all are, as with a pool that has no
            padding.

    Call arguments:
        inputs: Float tensor `(batch, samples)`.

    Output shape:
        Bool `(batch, ceil(steps / stride))`, where `FrontEnd` has `steps`; with
        `"drop"` `(batch, max(1, floor(steps / stride)))`.

    Raises:
        ValueError: If `stride` is not positive, `partial_group` is something
            else, or the input has another rank.
    """

    def __init__(
        self,
        spec: FrontEndSpec | dict[str, Any],
        stride: int = 1,
        partial_group: str = "keep",
        **kwargs: Any,
    ):
        # A cast of the waveform to 16 bits would turn faint samples into zeros.
        super().__init__(autocast=False, **kwargs)
        if stride < 1:
            raise ValueError(f"stride must be positive. Received: stride={stride}.")
        if partial_group not in ("keep", "drop"):
            raise ValueError(
                "partial_group must be 'keep' or 'drop'. Received: "
                f"partial_group={partial_group!r}."
            )
        self.spec = FrontEndSpec.from_dict(spec) if isinstance(spec, dict) else spec
        self.stride = stride
        self.partial_group = partial_group

    def call(self, inputs):
        check_waveform(self, inputs)
        steps = self._strided(num_steps(ops.shape(inputs)[1], self.spec))
        real = self._strided(num_steps(real_length(inputs), self.spec))
        return ops.arange(steps, dtype="int32") < ops.expand_dims(real, 1)

    def _strided(self, steps: Any) -> Any:
        if self.partial_group == "drop":
            return larger(steps // self.stride, 1)
        return (steps + self.stride - 1) // self.stride

    def compute_output_shape(self, input_shape):
        batch, samples = input_shape
        if samples is None:
            return (batch, None)
        return (batch, self._strided(num_steps(samples, self.spec)))

    def compute_output_spec(self, inputs):
        check_waveform(self, inputs)
        shape = self.compute_output_shape(inputs.shape)
        return keras.KerasTensor(shape, dtype="bool")

    def get_config(self):
        return {
            **super().get_config(),
            "spec": self.spec.to_dict(),
            "stride": self.stride,
            "partial_group": self.partial_group,
        }


@keras.saving.register_keras_serializable(package="cry_tf")
class ClearPadding(keras.layers.Layer):
    """Sets the padding of waveforms to zero, for networks without a `FrontEnd`.

    Call arguments:
        inputs: Float tensor `(batch, samples)`.
    Output shape:
        That of `inputs`.
    """

    def __init__(self, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)

    def call(self, inputs):
        check_waveform(self, inputs)
        waveform = ops.cast(inputs, "float32")
        waveform = cleared(waveform, real_length(waveform))[:, : ops.shape(inputs)[1]]
        return ops.cast(waveform, self.compute_dtype)

    def compute_output_spec(self, inputs):
        return keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)


def check_waveform(layer: keras.layers.Layer, inputs: Any) -> None:
    """Refuses anything but a float tensor `(batch, samples)` with some samples.

    Raises:
        ValueError: If the input has another rank, no samples, or integers.
    """
    dtype = keras.backend.standardize_dtype(inputs.dtype)
    is_float = keras.backend.is_float_dtype(dtype)
    if len(inputs.shape) != 2 or inputs.shape[1] == 0 or not is_float:
        raise ValueError(
            f"{layer.name} takes float waveforms of shape (batch, samples) with at "
            f"least one sample. Received: shape={tuple(inputs.shape)}, "
            f"dtype={dtype}. Mix channels down and scale to [-1, 1] first."
        )
