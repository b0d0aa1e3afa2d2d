"""The convolutions of EfficientAT's MobileNets, and their padding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from cry_hub.efficientat import table
from cry_hub.fast_training.normalization import MaskedBatchNormalization
from cry_hub.frames import MeanOverBands, ZeroPadding
from cry_hub.patches import MeanOverPatches, he_depthwise

ops: Any = keras.ops  # Keras types most results as perhaps None

# From models/mn/model.py; PyTorch's momentum of 0.01 is 0.99 in Keras.
BATCH_NORM_EPSILON = 1e-3
BATCH_NORM_MOMENTUM = 0.99


@keras.saving.register_keras_serializable(package="cry_tf")
class EverySecondFrame(keras.layers.Layer):
    """Says which frames are real after a convolution with stride 2.

    Output frame t stands on frame 2 t of the input and is real if that one is.

    Call arguments:
        inputs: Bool tensor `(batch, frames, 1)`.
    Output shape:
        Bool `(batch, ceil(frames / 2), 1)`.
    """

    def __init__(self, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)

    def call(self, inputs):
        return inputs[:, ::2]

    def compute_output_spec(self, inputs):
        batch, frames, _ = inputs.shape
        frames = None if frames is None else (frames + 1) // 2
        return keras.KerasTensor((batch, frames, 1), dtype="bool")


@keras.saving.register_keras_serializable(package="cry_tf")
class HardSwish(keras.layers.Layer):
    """`x * min(max(x + 3, 0), 6) / 6`, in the form that TFLite has an operator for.

    Reference:
        [Howard et al., 2019](https://arxiv.org/abs/1905.02244), section 5.2.
    """

    def call(self, inputs):
        return inputs * (ops.relu6(inputs + 3.0) * (1.0 / 6.0))

    def compute_output_shape(self, input_shape):
        return input_shape


@dataclass(frozen=True)
class Convolutions:
    """Makes named convolutions, each with its batch norm and activation.

    Attributes:
        dtype: Dtype policy of the layers, or None for the default one.
    """

    dtype: Any

    def conv(
        self,
        x: Any,
        name: str,
        filters: int,
        mask: Any,
        activation: str | None = None,
        kernel: int = 1,
        stride: int = 1,
    ) -> Any:
        """Convolves an image.

        Args:
            x: Tensor `(batch, frames, bands, channels)`, zero where there is
                padding if the kernel is longer than a frame.
            name: String, the layer's name and the start of the others'.
            filters: Int > 0, channels of the output.
            mask: Bool tensor `(batch, frames / stride, 1)`, True where a frame of
                the output is real.
            activation: `relu`, `hard_swish` or None.
            kernel: Int > 0, odd.
            stride: Int, 1 or 2.

        Returns:
            Tensor `(batch, frames / stride, bands / stride, filters)`, rounded up.
        """
        x, padding = self._padded(x, name, kernel, stride)
        x = layers.Conv2D(
            filters,
            kernel,
            stride,
            padding=padding,
            use_bias=False,
            kernel_initializer="he_normal",
            dtype=self.dtype,
            name=name,
        )(x)
        return self._activated(x, name, mask, activation)

    def depthwise(
        self, x: Any, name: str, mask: Any, activation: str, kernel: int, stride: int
    ) -> Any:
        """Convolves each channel of an image; see `conv`."""
        x, padding = self._padded(x, name, kernel, stride)
        x = layers.DepthwiseConv2D(
            kernel,
            stride,
            padding=padding,
            use_bias=False,
            depthwise_initializer=he_depthwise(kernel),
            dtype=self.dtype,
            name=name,
        )(x)
        return self._activated(x, name, mask, activation)

    def block(
        self, x: Any, name: str, block: table.Block, mask: Any
    ) -> tuple[Any, Any]:
        """Adds an inverted residual.

        Args:
            x: Tensor `(batch, frames, bands, channels)`.
            name: String, the start of its layers' names.
            block: Its numbers.
            mask: Bool tensor `(batch, frames, 1)`, True where a frame is real.

        Returns:
            The output, and the mask of its frames.
        """
        shortcut = x
        if block.expanded != x.shape[-1]:
            x = self.conv(x, f"{name}_expand", block.expanded, mask, block.activation)
        x = ZeroPadding(dtype=self.dtype, name=f"{name}_padding")(x, mask)
        if block.stride == 2:
            mask = EverySecondFrame(name=f"{name}_mask")(mask)
        x = self.depthwise(
            x,
            f"{name}_depthwise",
            mask,
            block.activation,
            kernel=block.kernel,
            stride=block.stride,
        )
        if block.squeezes:
            x = self.weighed(x, name, mask)
        x = self.conv(x, f"{name}_project", block.filters, mask)
        if block.stride == 1 and x.shape[-1] == shortcut.shape[-1]:
            x = layers.Add(dtype=self.dtype, name=f"{name}_add")([x, shortcut])
        return x, mask

    def weighed(self, x: Any, name: str, mask: Any) -> Any:
        """Weighs the channels of an image by squeeze-and-excitation.

        The weight of a channel comes of the means of all, over the real frames.
        """
        channels = x.shape[-1]
        mean = MeanOverBands(dtype=self.dtype, name=f"{name}_band_mean")(x)
        # A mean over many frames outruns the digits of bfloat16.
        mean = MeanOverPatches(dtype="float32", name=f"{name}_squeeze")(
            mean, mask=layers.Flatten(name=f"{name}_squeeze_mask")(mask)
        )
        hidden = layers.Dense(
            table.scaled(channels // table.SQUEEZE_DIVISOR),
            activation="relu",
            kernel_initializer="he_normal",
            dtype=self.dtype,
            name=f"{name}_fc1",
        )(mean)
        weights = layers.Dense(
            channels, activation="sigmoid", dtype=self.dtype, name=f"{name}_fc2"
        )(hidden)
        weights = layers.Reshape(
            (1, 1, channels), dtype=self.dtype, name=f"{name}_weights"
        )(weights)
        return layers.Multiply(dtype=self.dtype, name=f"{name}_excite")([x, weights])

    def _padded(self, x: Any, name: str, kernel: int, stride: int) -> tuple[Any, str]:
        """Returns an image and the padding to convolve it with.

        Keras pads a strided convolution as it sees fit, by the parity of the
        length; PyTorch by half a kernel on each side.
        """
        if stride == 1:
            return x, "same"
        pad = layers.ZeroPadding2D(kernel // 2, dtype=self.dtype, name=f"{name}_border")
        return pad(x), "valid"

    def _activated(self, x: Any, name: str, mask: Any, activation: str | None) -> Any:
        x = MaskedBatchNormalization(
            momentum=BATCH_NORM_MOMENTUM,
            epsilon=BATCH_NORM_EPSILON,
            dtype=self.dtype,
            name=f"{name}_bn",
        )(x, mask=mask)
        if activation == "relu":
            return layers.ReLU(dtype=self.dtype, name=f"{name}_relu")(x)
        if activation == "hard_swish":
            return HardSwish(dtype=self.dtype, name=f"{name}_hard_swish")(x)
        return x
