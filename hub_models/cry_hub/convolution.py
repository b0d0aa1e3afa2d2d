"""Convolution that takes fewer multiplications in training, where a training allows."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from cry_hub import winograd
from cry_hub.processor import trains_here

# Fewer channels, and the maps of tiles cost what the products save; fewer tiles, and
# those of filters do.
_LEAST_CHANNELS = 128
_LEAST_TILES = 48


@keras.saving.register_keras_serializable(package="cry_tf")
class Conv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D` that can be faster in training.

    On a processor without XLA a training step in float32 computes the same by
    Winograd's algorithm, once `prepare_training` said that it will run so, where that
    pays: 3x3 with stride 1 over 128 channels or more, on more than a few clips.
    Inference is Keras's, bit by bit. Args and call arguments are those of Keras.
    """

    _is_prepared: bool = False

    def prepare_training(self, *, jit_compile: bool) -> None:
        """Is told how training steps will run, before Keras traces one.

        Args:
            jit_compile: Whether XLA compiles them.
        """
        self._is_prepared = trains_here(jit_compile=jit_compile)

    def call(self, inputs, training=None):
        if not (training and self._is_prepared and self._is_suited(inputs)):
            return super().call(inputs)
        kernel = tf.convert_to_tensor(self.kernel)
        outputs: Any = tf.cond(
            winograd.count_tiles(inputs) >= _LEAST_TILES,
            lambda: winograd.convolve(inputs, kernel),
            lambda: tf.nn.conv2d(inputs, kernel, 1, "SAME"),
        )
        if self.bias is not None:
            outputs += tf.convert_to_tensor(self.bias)
        return outputs if self.activation is None else self.activation(outputs)

    def _is_suited(self, inputs: Any) -> bool:
        return (
            self.kernel_size == (winograd.TAPS, winograd.TAPS)
            and self.strides == (1, 1)
            and self.dilation_rate == (1, 1)
            and self.groups == 1
            and self.padding == "same"
            and self.data_format == "channels_last"
            and self.compute_dtype == "float32"
            and inputs.shape[-1] >= _LEAST_CHANNELS
        )
