"""Batch normalization over the real patches of a batch."""

from __future__ import annotations

from typing import Any

import keras

ops: Any = keras.ops  # Keras types most results as perhaps None


@keras.saving.register_keras_serializable(package="cry_tf")
class MaskedBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalization whose statistics leave padding out.

    Clips of different lengths share a batch. Without a mask the silence that
    completes the short ones would move the statistics, and the network would
    learn something else than it does from each clip alone.

    Keras's own way through a mask writes a dozen tensors as large as the input and
    their gradients. Here sums over the real steps are products with the mask, and
    the gradient is written out.

    Args are those of `keras.layers.BatchNormalization`.

    Call arguments:
        inputs: Float tensor `(batch, height, width, channels)`.
        mask: Bool tensor that broadcasts to `(batch, height, width)`, True where
            `inputs` is real. It ends here: the layers after it take it anew.
    """

    def call(self, inputs, training=None, mask=None):
        is_plain = self.axis in (-1, len(inputs.shape) - 1)
        is_plain = is_plain and self.scale and self.center and not self.renorm
        if not (training and self.trainable and is_plain and mask is not None):
            return super().call(inputs, training=training, mask=mask)
        # float32 under any policy, as Keras has it; values, not variables, go in.
        x = ops.reshape(ops.cast(inputs, "float32"), (-1, inputs.shape[-1]))
        real = ops.broadcast_to(ops.cast(mask, "float32"), ops.shape(inputs)[:-1])
        outputs, mean, variance = _normalized(
            x,
            ops.copy(self.gamma),
            ops.copy(self.beta),
            ops.reshape(real, (1, -1)),
            self.epsilon,
        )
        moved: Any = ((self.moving_mean, mean), (self.moving_variance, variance))
        for moving, now in moved:
            moving.assign(moving * self.momentum + now * (1.0 - self.momentum))
        outputs = ops.reshape(outputs, ops.shape(inputs))
        return ops.cast(outputs, self.compute_dtype)

    def compute_mask(self, inputs, mask=None):
        del inputs, mask


def _normalized(x: Any, gamma: Any, beta: Any, real: Any, epsilon: float) -> tuple:
    """Normalises rows by the statistics of the real ones.

    Args:
        x: Float32 `(rows, channels)`.
        gamma: Float32 `(channels,)`.
        beta: Float32 `(channels,)`.
        real: Float32 `(1, rows)`, 1 for a real row, 0 for padding.
        epsilon: Added to the variance.

    Returns:
        What comes out, the mean and the variance; no gradient flows through the
        last two.
    """

    def forward(x: Any, gamma: Any, beta: Any, real: Any) -> tuple:
        count = ops.maximum(ops.sum(real), 1.0)
        mean = ops.matmul(real, x)[0] / count
        centered = x - mean
        variance = ops.matmul(real, centered * centered)[0] / count
        inverse = ops.rsqrt(variance + epsilon)
        scale = gamma * inverse

        def backward(*upstream: Any) -> tuple:
            up = upstream[0]
            every = ops.ones_like(real)
            of_beta = ops.matmul(every, up)[0]
            of_gamma = ops.matmul(every, up * centered)[0] * inverse
            # A real row moves the statistics as well, and all rows by them.
            through = centered * (scale * inverse * of_gamma) + scale * of_beta
            share = ops.transpose(real) / count
            return up * scale - share * through, of_gamma, of_beta, None

        return (centered * scale + beta, mean, variance), backward

    return ops.custom_gradient(forward)(x, gamma, beta, real)
