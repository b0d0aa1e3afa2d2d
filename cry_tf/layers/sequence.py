"""Reductions over the real steps of a sequence, and the layer that uses them.

Every reduction takes `values` `(batch, time, features)` and `real`, a bool tensor
`(batch, time, 1)`, True where a step is real, or None where all are. `real_steps`
makes the two from what a layer is called with.
"""

from __future__ import annotations

import math
from typing import Any

import keras

ops: Any = keras.ops  # typed, wrongly, as often None


def real_steps(inputs: Any, mask: Any) -> tuple[Any, Any]:
    """Returns `values` in at least float32, zero where masked, and `real`.

    Zeros replace masked steps before anything is computed, so that a NaN there
    reaches neither the result nor the gradient.
    """
    dtype = keras.backend.standardize_dtype(inputs.dtype)
    wide = dtype in ("float32", "float64")
    values = inputs if wide else ops.cast(inputs, "float32")
    if mask is None:
        return values, None
    real = ops.expand_dims(ops.cast(mask, "bool"), axis=-1)
    return ops.where(real, values, ops.zeros((), values.dtype)), real


def mean(values: Any, real: Any) -> Any:
    """Returns the mean over real steps `(batch, features)`, 0 if there is none."""
    if real is None:
        return ops.mean(values, axis=1)
    steps = ops.sum(ops.cast(real, values.dtype), axis=1)
    return ops.sum(values, axis=1) / ops.maximum(steps, 1.0)


def variance(values: Any, real: Any, center: Any) -> Any:
    """Returns the mean squared distance from `center` `(batch, features)`.

    It is the biased variance, divided by the number of real steps, 0 if there
    is none.
    """
    squares = ops.square(values - ops.expand_dims(center, axis=1))
    if real is not None:
        squares = ops.where(real, squares, ops.zeros((), squares.dtype))
    return mean(squares, real)


def maximum(values: Any, real: Any) -> Any:
    """Returns the maximum over real steps `(batch, features)`, 0 if there is none."""
    if real is None:
        return ops.max(values, axis=1)
    highest = ops.max(ops.where(real, values, -math.inf), axis=1)
    return ops.where(ops.any(real, axis=1), highest, ops.zeros((), values.dtype))


class SequencePooling(keras.layers.Layer):
    """The part that every pooling layer shares: shapes, masks and the head's dtype.

    Sums are accumulated in float32 under a 16-bit policy; the result is in the
    policy's compute dtype.

    Input shape:
        `(batch, time, features)`, time of any length >= 1.
    Output shape:
        `(batch, features)`.
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Checks that the input is a sequence of features."""
        if len(input_shape) != 3 or input_shape[-1] is None:
            raise ValueError(
                f"{type(self).__name__} pools embeddings (batch, time, features) "
                "with a fixed number of features. Received: "
                f"input_shape={tuple(input_shape)}."
            )
        super().build(input_shape)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[-1])

    def compute_mask(self, inputs, mask=None):
        # The time axis is gone, and its mask with it.
        return None
