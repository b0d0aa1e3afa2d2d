"""Layers for networks that decide segment by segment, of about a third of a second."""

from __future__ import annotations

from typing import Any

import keras

ops: Any = keras.ops  # Keras types most results as perhaps None

# A finite number below every logit, whose exponential is 0 in float32.
_LOWEST = -1e9


@keras.saving.register_keras_serializable(package="cry_tf")
class NeighbourMaxPlusMean(keras.layers.Layer):
    """Adds the maximum and the mean of each step and its two neighbours.

    A neighbour beyond the end of the real steps, or before the first, never is the
    maximum and is a zero in the mean, which always divides by 3.

    Call arguments:
        inputs: Float tensor `(batch, time, features)`.
        is_real: Bool tensor `(batch, time)`.
    Output shape:
        That of `inputs`. Steps of padding hold nothing of use.
    """

    def call(self, inputs, is_real):
        mask = ops.expand_dims(is_real, -1)
        one_each_end = ((0, 0), (1, 1), (0, 0))
        # float16 has no number below -65504.
        lowest = -65504.0 if self.compute_dtype == "float16" else _LOWEST
        candidates = ops.pad(
            ops.where(mask, inputs, lowest), one_each_end, constant_values=lowest
        )
        addends = ops.pad(inputs * ops.cast(mask, inputs.dtype), one_each_end)
        before, here, after = _neighbours(candidates)
        maximum = ops.maximum(ops.maximum(before, here), after)
        before, here, after = _neighbours(addends)
        return maximum + (before + here + after) / 3.0

    def compute_output_spec(self, inputs, is_real):
        return keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)


def _neighbours(padded: Any) -> tuple[Any, Any, Any]:
    """Returns the step before, the step itself and the step after."""
    return padded[:, :-2], padded[:, 1:-1], padded[:, 2:]


@keras.saving.register_keras_serializable(package="cry_tf")
class MaxOverTime(keras.layers.Layer):
    """Takes the maximum of each logit over the real steps.

    Call arguments:
        inputs: Float tensor `(batch, time, classes)`.
        is_real: Bool tensor `(batch, time)`, at least one True a row.
    Output shape:
        `(batch, classes)`.
    """

    def call(self, inputs, is_real):
        mask = ops.expand_dims(is_real, -1)
        return ops.max(ops.where(mask, inputs, _LOWEST), axis=1)

    def compute_output_spec(self, inputs, is_real):
        return keras.KerasTensor(_without_time(inputs), dtype=self.compute_dtype)


@keras.saving.register_keras_serializable(package="cry_tf")
class AttentiveLogit(keras.layers.Layer):
    """Averages the scores of the real steps by attention; gives the mean's logit.

    The mean is `p = sum(w * sigmoid(logits))`, with a class's own weights
    `w = softmax(clip(attention, -limit, limit))` over time. Both `p` and `1 - p`
    are sums of positive numbers, so `log(p) - log(1 - p)` is computed without
    either of them and without the softmax's denominator: a score of nearly 0 or 1
    costs no digits.

    Args:
        limit: Float > 0, the largest magnitude of attention before the softmax.
    Call arguments:
        logits: Float tensor `(batch, time, classes)`.
        attention: Float tensor of the same shape.
        is_real: Bool tensor `(batch, time)`, at least one True a row.
    Output shape:
        `(batch, classes)`.

    Raises:
        ValueError: If `limit` is not positive.
    """

    def __init__(self, limit: float = 10.0, **kwargs: Any):
        super().__init__(**kwargs)
        if not limit > 0:
            raise ValueError(f"limit must be positive. Received: limit={limit}.")
        self.limit = limit

    def call(self, logits, attention, is_real):
        attention = ops.clip(attention, -self.limit, self.limit)
        attention = ops.where(ops.expand_dims(is_real, -1), attention, _LOWEST)
        # log(1 + exp(logits)). `ops.softplus` is no builtin operator of TFLite.
        softplus = ops.relu(logits) + ops.log(1.0 + ops.exp(-ops.abs(logits)))
        # log(w * sigmoid(logits)) and log(w * sigmoid(-logits)), up to a constant
        yes, no = attention + logits - softplus, attention - softplus
        return _log_sum_exp(yes) - _log_sum_exp(no)

    def compute_output_spec(self, logits, attention, is_real):
        return keras.KerasTensor(_without_time(logits), dtype=self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "limit": self.limit}


def _log_sum_exp(x: Any) -> Any:
    # `ops.logsumexp` asks whether numbers are finite: no builtin operator either.
    largest = ops.max(x, axis=1, keepdims=True)
    total = ops.log(ops.sum(ops.exp(x - largest), axis=1))
    return total + ops.squeeze(largest, axis=1)


@keras.saving.register_keras_serializable(package="cry_tf")
class SegmentsToFrames(keras.layers.Layer):
    """Repeats each segment for its frames, and the last real one to the end.

    Args:
        frames_per_segment: Int > 0.
    Call arguments:
        inputs: Float tensor `(batch, segments, classes)`.
        segment_mask: Bool tensor `(batch, segments)`, real steps first.
        frame_mask: Bool tensor `(batch, frames)`; only its shape is looked at.
    Output shape:
        `(batch, frames, classes)`.

    Raises:
        ValueError: If `frames_per_segment` is not positive.
    """

    def __init__(self, frames_per_segment: int, **kwargs: Any):
        super().__init__(**kwargs)
        if frames_per_segment < 1:
            raise ValueError(
                "frames_per_segment must be positive. Received: "
                f"frames_per_segment={frames_per_segment}."
            )
        self.frames_per_segment = frames_per_segment

    def call(self, inputs, segment_mask, frame_mask):
        real = ops.cast(segment_mask, inputs.dtype)
        # Real before this step minus real after it: 1 at the last real step alone.
        is_last = real - ops.pad(real[:, 1:], ((0, 0), (0, 1)))
        last = ops.sum(inputs * ops.expand_dims(is_last, -1), axis=1, keepdims=True)
        held = ops.where(ops.expand_dims(segment_mask, -1), inputs, last)
        frames = ops.arange(ops.shape(frame_mask)[1], dtype="int32")
        segments = ops.shape(inputs)[1]
        return ops.take(
            held, ops.minimum(frames // self.frames_per_segment, segments - 1), axis=1
        )

    def compute_output_spec(self, inputs, segment_mask, frame_mask):
        shape = (inputs.shape[0], frame_mask.shape[1], inputs.shape[2])
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "frames_per_segment": self.frames_per_segment}


def _without_time(inputs: Any) -> tuple[Any, Any]:
    return inputs.shape[0], inputs.shape[-1]
