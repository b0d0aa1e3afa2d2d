"""Batch normalization by TensorFlow's fused kernels, where a training allows them."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from cry_hub.fused_normalization import normalize, normalize_by
from cry_hub.processor import trains_here


@keras.saving.register_keras_serializable(package="cry_tf")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` for images, that can be faster in training.

    On a processor without XLA a training step computes the same with fused kernels,
    once `prepare_training` said that it will run so. Inference is Keras's, and so is
    what a kernel does not know. Args and call arguments are those of Keras.
    """

    _is_fused: bool = False

    def prepare_training(self, *, jit_compile: bool) -> None:
        """Is told how training steps will run, before Keras traces one.

        Args:
            jit_compile: Whether XLA compiles them.
        """
        self._is_fused = trains_here(jit_compile=jit_compile)

    def call(self, inputs, training=None, mask=None):
        if not self._fuses(inputs, training):
            return super().call(inputs, training=training, mask=mask)
        gamma = tf.ones_like(self.moving_mean) if self.gamma is None else self.gamma
        beta = tf.zeros_like(self.moving_mean) if self.beta is None else self.beta
        affine = tf.convert_to_tensor(gamma), tf.convert_to_tensor(beta)
        return self._fused(tf.cast(inputs, self.compute_dtype), mask, *affine)

    def _fused(self, inputs: Any, mask: Any, gamma: Any, beta: Any) -> Any:
        """Returns the outputs of a training step."""
        if not self.trainable:
            return self._by_moving_statistics(inputs, gamma, beta)
        outputs, mean, variance = normalize(inputs, mask, gamma, beta, self.epsilon)
        updates: Any = (
            (self.moving_mean, mean),
            (self.moving_variance, variance),
        )
        for moving, value in updates:
            moving.assign(moving * self.momentum + value * (1 - self.momentum))
        return outputs

    def _by_moving_statistics(self, inputs: Any, gamma: Any, beta: Any) -> Any:
        moving = (self.moving_mean, self.moving_variance)
        mean, variance = map(tf.convert_to_tensor, moving)
        return normalize_by(inputs, gamma, beta, mean, variance, self.epsilon)

    def _fuses(self, inputs: Any, training: Any) -> bool:
        return bool(
            training
            and self._is_fused
            and len(inputs.shape) == 4
            and self.axis in (-1, 3)
            and not self.renorm
            and not self.synchronized
            and self.variable_dtype == "float32"
            and self.compute_dtype in ("float32", "bfloat16")
        )
