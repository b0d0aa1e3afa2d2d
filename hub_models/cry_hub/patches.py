"""Layers between a sequence of patches and a network that sees one patch."""

from __future__ import annotations

import math
from typing import Any

import keras

ops: Any = keras.ops  # Keras types most results as perhaps None


@keras.saving.register_keras_serializable(package="cry_tf")
class MergePatches(keras.layers.Layer):
    """Lays the patches of a batch of clips one after another, as images.

    Output shape:
        `(batch * patches, frames, bands, 1)`.
    """

    def call(self, inputs):
        _, _, frames, bands = inputs.shape
        # One reshape: adding the channel by indexing with None does not convert
        # to TFLite when the number of patches is dynamic.
        return ops.reshape(inputs, (-1, frames, bands, 1))

    def compute_output_shape(self, input_shape):
        batch, patches, frames, bands = input_shape
        return (_product(batch, patches), frames, bands, 1)


@keras.saving.register_keras_serializable(package="cry_tf")
class MergeMask(keras.layers.Layer):
    """Lays a mask over patches out as `MergePatches` lays out the patches.

    Output shape:
        `(batch * patches, 1, 1)`, the dtype of the input.
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.autocast = False

    def call(self, inputs):
        return ops.reshape(inputs, (-1, 1, 1))

    def compute_output_spec(self, inputs):
        shape = (_product(*inputs.shape), 1, 1)
        return keras.KerasTensor(shape, dtype=inputs.dtype)


@keras.saving.register_keras_serializable(package="cry_tf")
class SplitPatches(keras.layers.Layer):
    """Gives the embeddings of patches, or what comes before, back to their clips.

    Call arguments:
        inputs: Tensor `(batch * patches, ..., features)`.
        patches: The tensor `(batch, patches, ...)` that `MergePatches` had; only
            its shape is read.
    Output shape:
        `(batch, patches, ..., features)`.
    """

    def call(self, inputs, patches):
        shape: Any = ops.shape(patches)
        # -1 where it can be: a shape known to the compiler needs no computing.
        batch = shape[0] if patches.shape[1] is None else -1
        return ops.reshape(inputs, (batch, shape[1], *inputs.shape[1:]))

    def compute_output_shape(self, inputs_shape, patches_shape):
        return (*patches_shape[:2], *inputs_shape[1:])


@keras.saving.register_keras_serializable(package="cry_tf")
class MeanOverPatches(keras.layers.Layer):
    """Averages the embeddings of the real patches of a clip.

    Call arguments:
        inputs: Float tensor `(batch, patches, features)`.
        mask: Bool tensor `(batch, patches)`, True where a patch is real. None
            takes all. A row with no real patch gives zeros.
    Output shape:
        `(batch, features)`.
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs, mask=None):
        if mask is None:
            return ops.mean(inputs, axis=1)
        weights = ops.cast(mask, inputs.dtype)[:, :, None]
        total = ops.sum(weights, axis=1)
        return ops.sum(inputs * weights, axis=1) / ops.maximum(total, 1)

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[-1])


def he_depthwise(kernel: int = 3) -> Any:
    """Returns He's initializer for a square depthwise kernel of that length.

    Keras's own counts every channel as an input of every output, and draws kernels
    `sqrt(channels)` times too small: the signal of a random network dies out within
    a few blocks. Each layer takes a new one, since an initializer repeats its draw.
    """
    return keras.initializers.RandomNormal(stddev=math.sqrt(2 / kernel**2))


def _product(left: int | None, right: int | None) -> int | None:
    return None if left is None or right is None else left * right
