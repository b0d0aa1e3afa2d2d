"""Convolutions, batch norm and blocks of PANNs, over real frames alone.

A layer with weights has PyTorch's name of its module, with underscores for dots:
`conv_block1_conv1` holds `conv_block1.conv1`.
"""

from __future__ import annotations

from typing import Any

from keras import layers

from cry_hub.fast_training.convolution import Conv2D
from cry_hub.fast_training.normalization import MaskedBatchNormalization
from cry_hub.frames import HalveMask, ZeroPadding

# PyTorch's defaults, which PANNs keeps; its momentum of 0.1 is 0.9 in Keras.
BATCH_NORM_EPSILON = 1e-5
BATCH_NORM_MOMENTUM = 0.9


def batch_norm(x: Any, mask: Any, name: str, dtype: Any, **arguments: Any) -> Any:
    """Normalises over the real frames of a batch.

    Args:
        x: Float tensor `(batch, frames, ..., channels)`.
        mask: Bool tensor that broadcasts to all axes of `x` but the last.
        name: Name of the layer.
        dtype: Its dtype policy, or None.
        **arguments: More of `keras.layers.BatchNormalization`.
    """
    return MaskedBatchNormalization(
        momentum=BATCH_NORM_MOMENTUM,
        epsilon=BATCH_NORM_EPSILON,
        dtype=dtype,
        name=name,
        **arguments,
    )(x, mask=mask)


def convolution(
    x: Any, filters: int, name: str, dtype: Any, size: int = 3, **arguments: Any
) -> Any:
    """Convolves `(batch, frames, channels)`, or with bands before the channels."""
    kind = layers.Conv1D if len(x.shape) == 3 else Conv2D
    return kind(
        filters,
        size,
        use_bias=False,
        kernel_initializer="he_normal",
        dtype=dtype,
        name=name,
        **{"padding": "same", **arguments},
    )(x)


def two_convolutions(
    x: Any,
    mask: Any,
    filters: int,
    name: str,
    dtype: Any,
    *,
    dilations: tuple[int, int] = (1, 1),
    is_padded: bool = False,
    last_relu: bool = True,
) -> Any:
    """Convolves, normalises and rectifies twice, with kernels of 3.

    Args:
        x: Float tensor `(batch, frames, ..., channels)`.
        mask: Bool tensor, True where a frame is real.
        filters: Channels of both convolutions.
        name: What the names of the layers begin with.
        dtype: Dtype policy of the layers, or None.
        dilations: Of the two convolutions.
        is_padded: Whether the frames of padding are zeros already.
        last_relu: Whether a ReLU follows the second.
    """
    for number, dilation in enumerate(dilations, start=1):
        if not (is_padded and number == 1):
            x = ZeroPadding(dtype=dtype, name=f"{name}_padding{number}")(x, mask)
        x = convolution(
            x, filters, f"{name}_conv{number}", dtype, dilation_rate=dilation
        )
        x = batch_norm(x, mask, f"{name}_bn{number}", dtype)
        if last_relu or number == 1:
            x = layers.ReLU(dtype=dtype, name=f"{name}_relu{number}")(x)
    return x


def conv_block(
    x: Any,
    mask: Any,
    filters: int,
    name: str,
    dtype: Any,
    *,
    pool: tuple[int, int] | None = (2, 2),
    is_padded: bool = False,
) -> tuple[Any, Any]:
    """Two 3 x 3 convolutions and an average pool, `ConvBlock` of PANNs.

    Args:
        x: Float tensor `(batch, frames, bands, channels)`.
        mask: Bool tensor `(batch, frames, 1)`, True where a frame is real.
        filters: Channels of both convolutions.
        name: What the names of the layers begin with.
        dtype: Dtype policy of the layers, or None.
        pool: `(2, bands)`, or None for no pool.
        is_padded: Whether the frames of padding are zeros already.

    Returns:
        What comes out, and its mask.
    """
    x = two_convolutions(x, mask, filters, name, dtype, is_padded=is_padded)
    if pool is None:
        return x, mask
    x = layers.AveragePooling2D(pool, dtype=dtype, name=f"{name}_pool")(x)
    return x, HalveMask(name=f"{name}_mask")(mask)


def residual_block(
    x: Any, mask: Any, filters: int, name: str, dtype: Any, *, halves: bool = False
) -> tuple[Any, Any]:
    """Two 3 x 3 convolutions beside a shortcut, the basic block of a ResNet.

    In place of a stride of 2 PANNs pools 2 x 2 before the convolution, and before
    the 1 x 1 convolution of the shortcut: one pool here.

    Args:
        x: Float tensor `(batch, frames, bands, channels)`.
        mask: Bool tensor `(batch, frames, 1)`, True where a frame is real.
        filters: Channels of both convolutions; those of `x` unless it halves.
        name: What the names of the layers begin with.
        dtype: Dtype policy of the layers, or None.
        halves: Whether it pools.

    Returns:
        What comes out, and its mask.
    """
    if halves:
        x = layers.AveragePooling2D(2, dtype=dtype, name=f"{name}_pool")(x)
        mask = HalveMask(name=f"{name}_mask")(mask)
    shortcut = x
    if halves:
        shortcut = convolution(x, filters, f"{name}_downsample_1", dtype, size=1)
        shortcut = batch_norm(shortcut, mask, f"{name}_downsample_2", dtype)
    x = two_convolutions(x, mask, filters, name, dtype, last_relu=False)
    x = layers.Add(dtype=dtype, name=f"{name}_add")((x, shortcut))
    return layers.ReLU(dtype=dtype, name=f"{name}_relu2")(x), mask
