"""Batch normalization by TensorFlow's fused kernels, over the real part of a batch.

Keras composes it of some twenty passes over memory, forward and backward: on a
processor a seventh of a training step of CNN10 in float32, and over a quarter in
bfloat16. The kernels need a few, and some more where a part of the batch is padding.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf


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
