"""Batch norm by fused kernels, with padding outside its statistics."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from cry_hub.fast_training.processor import trains_here


def normalize(
    x: Any, mask: Any, gamma: Any, beta: Any, epsilon: float
) -> tuple[Any, Any, Any]:
    """Normalizes with the statistics of the real part; on a processor, without XLA.

    Args:
        x: Float32 or bfloat16 tensor `(batch, height, width, channels)`.
        mask: Bool tensor that broadcasts to `(batch, height, width)`, True where `x`
            is real, at least once; None for everywhere.
        gamma: Float32 `(channels,)`.
        beta: Float32 `(channels,)`.
        epsilon: Is added to the variance.

    Returns:
        What `x` becomes, of its dtype; mean and variance of the real part, float32
        `(channels,)`. No gradient goes through those two.
    """
    places = tf.cast(tf.reduce_prod(tf.shape(x)[:-1]), tf.float32)

    @tf.custom_gradient
    def normalized(x, gamma, beta):
        def over_all():
            return _by_own_statistics(x, gamma, beta, epsilon)

        def over_real():
            mean, variance = _moments(x, real)
            return normalize_by(x, gamma, beta, mean, variance, epsilon), mean, variance

        if mask is None:
            y, mean, variance = over_all()
        else:
            real = mask[..., None]
            parts = tf.cast(tf.size(real), tf.float32)
            share = parts / tf.reduce_sum(tf.cast(real, tf.float32))
            y, mean, variance = tf.cond(tf.reduce_all(mask), over_all, over_real)

        def gradient(dy, *_):
            dx, dgamma, dbeta, *_ = tf.raw_ops.FusedBatchNormGradV3(
                y_backprop=dy,
                x=x,
                scale=gamma,
                reserve_space_1=mean,
                reserve_space_2=variance,
                reserve_space_3=tf.zeros(0),
                epsilon=epsilon,
                is_training=True,
            )

            def of_real():
                # The kernel takes what comes through the statistics from all places
                # alike; it belongs to the real ones alone.
                each = gamma * tf.math.rsqrt(variance + epsilon) / places
                through = normalize_by(
                    x, each * dgamma, each * dbeta, mean, variance, epsilon
                )
                belongs = 1 - tf.cast(real, tf.float32) * share
                return dx + through * tf.cast(belongs, x.dtype)

            if mask is not None:
                dx = tf.cond(tf.reduce_all(mask), lambda: dx, of_real)
            return dx, dgamma, dbeta

        return (y, mean, variance), gradient

    outputs: Any = normalized(x, gamma, beta)
    return outputs


def _by_own_statistics(
    x: Any, gamma: Any, beta: Any, epsilon: float
) -> tuple[Any, Any, Any]:
    """Returns what `x` becomes, and the mean and variance of all places."""
    y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=gamma,
        offset=beta,
        mean=tf.zeros(0),
        variance=tf.zeros(0),
        epsilon=epsilon,
        is_training=True,
    )
    places = tf.cast(tf.reduce_prod(tf.shape(x)[:-1]), tf.float32)
    # The kernel gives the variance of a population that these are a sample of.
    return y, mean, variance * (tf.maximum(places - 1, 1) / places)


def _moments(x: Any, real: Any) -> tuple[Any, Any]:
    """Returns mean and variance of the real places.

    As products of matrices, which add up in blocks, in parallel, and several times as
    exactly as a sum does.
    """
    clips, height, width, channels = tf.unstack(tf.shape(x))
    real = tf.broadcast_to(real, (clips, height, width, 1))
    real = tf.reshape(tf.cast(real, tf.float32), (clips, 1, height * width))
    real /= tf.reduce_sum(real)
    x = tf.reshape(tf.cast(x, tf.float32), (clips, height * width, channels))
    mean = tf.reduce_sum(tf.matmul(real, x), (0, 1))
    square = tf.math.squared_difference(x, mean)
    return mean, tf.reduce_sum(tf.matmul(real, square), (0, 1))


def normalize_by(
    x: Any, gamma: Any, beta: Any, mean: Any, variance: Any, epsilon: float
) -> Any:
    """Normalizes with given statistics, constants to the gradient.

    Args are those of `normalize`; `mean` and `variance` are float32 `(channels,)`.
    """
    return tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=gamma,
        offset=beta,
        mean=tf.stop_gradient(mean),
        variance=tf.stop_gradient(variance),
        epsilon=epsilon,
        is_training=False,
    ).y


@keras.saving.register_keras_serializable(package="cry_tf")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` for images, that can be faster in training.

    On a processor without XLA a training step computes the same with fused kernels,
    once `prepare_training` said that it will run so. Inference is Keras's, and so is
    what a kernel does not know. Args and call arguments are those of Keras.
    """

    _is_fused: bool = False

    def prepare_training(self, *, jit_compile: bool) -> None:
        """Chooses the implementation, before Keras traces a training step.

        Args:
            jit_compile: Bool, whether XLA compiles the step.
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


@keras.saving.register_keras_serializable(package="cry_tf")
class MaskedBatchNormalization(FusedBatchNormalization):
    """Batch normalization whose statistics leave padding out.

    Clips of different lengths share a batch. Without a mask the silence that
    completes the short ones would move the statistics, and the network would
    learn something else than it does from each clip alone.

    Args are those of `keras.layers.BatchNormalization`.

    Call arguments:
        inputs: Float tensor `(batch, height, width, channels)`.
        mask: Bool tensor that broadcasts to `(batch, height, width)`, True where
            `inputs` is real. It ends here: the layers after it take it anew.
    """

    def compute_mask(self, inputs, mask=None):
        del inputs, mask


@keras.saving.register_keras_serializable(package="cry_tf")
class FrozenBatchNormalization(FusedBatchNormalization):
    """Batch normalization that uses its moving statistics in training too.

    Its offset is trained as the bias of the convolution before it. Weights in
    which batch norm was folded need this: there the convolution's output has a
    mean that the offset already makes up for, and a batch's statistics would
    take it away a second time. A separate layer, because neither
    `training=False` in a functional graph nor `trainable=False` lasts: the outer
    model's training flag replaces the first, `backbone.trainable = True` the
    second.

    Args and call arguments are those of `keras.layers.BatchNormalization`.
    """

    def call(self, inputs, training=None, mask=None):
        if self._fuses(inputs, training):
            return super().call(inputs, training=True, mask=mask)
        return super().call(inputs, training=False, mask=mask)

    def _fused(self, inputs: Any, mask: Any, gamma: Any, beta: Any) -> Any:
        return self._by_moving_statistics(inputs, gamma, beta)
