"""Multi-head attention pooling over time (InfantCryNet, equation 6)."""

from __future__ import annotations

from typing import Any

import keras

from cry_tf.layers import sequence

ops: Any = keras.ops  # typed, wrongly, as often None
NORMALIZATIONS = ("softmax", "sigmoid")


@keras.saving.register_keras_serializable(package="cry_tf")
class AttentionPooling(sequence.SequencePooling):
    """Averages a sequence over time with learned weights, one set a head.

    The features are cut into `heads` groups of equal size. A learned linear map
    gives every step one score a head, `normalization` makes the scores positive
    weights `alpha`, and a group is pooled with the weights of its head:
    `h = sum_i(alpha_i * h_i) / sum_i(alpha_i)`. Scores start at zero, so an
    untrained layer is the average. A masked step takes no part.

    The paper writes `alpha = W h` with W an N x N matrix, N being the number of
    steps, and has no more to say about heads or signs. Taken literally W needs
    clips of one length and ties a weight to a position in the clip, which
    contradicts the paper's aim of "audio clips of varying lengths", and signed
    weights let the sum below the fraction vanish. We therefore read W as a map
    from an embedding to its scores and make the weights positive. If N stands
    for the features, W is square as in the paper with `heads` equal to the number
    of features: each feature has weights of its own.

    Args:
        heads: Number of feature groups, must divide the number of features.
        normalization: `softmax` takes `alpha = exp(score)`, `sigmoid` takes
            `alpha = 1 / (1 + exp(-score))`, in which a step's weight saturates
            and a learned bias sets where.
        **kwargs: Arguments of `keras.layers.Layer`.
    Call arguments:
        inputs: Float tensor `(batch, time, features)`, time >= 1.
        mask: Bool tensor `(batch, time)`, True where a step is real, or None
            if all are. A row with no real step gives zeros.
    Output shape:
        `(batch, features)`.

    Raises:
        ValueError: If `heads` is not positive or does not divide the features,
            `normalization` is unknown, or the input is not of rank 3.

    Example:
    ```python
    embeddings = np.array([[[1.0], [3.0], [9.0]]])  # (1, 3, 1)
    mask = np.array([[True, True, False]])
    pooling = AttentionPooling(heads=1)
    pooling(embeddings, mask=mask)  # [[2.0]]: untrained, it is the average
    pooling.kernel.assign([[10.0]])
    pooling(embeddings, mask=mask)  # [[3.0]]: all attention on the larger step
    ```

    Reference:
        [Hong et al., 2024](https://arxiv.org/abs/2409.19689), equation 6.
    """

    def __init__(self, heads: int = 4, normalization: str = "softmax", **kwargs: Any):
        super().__init__(**kwargs)
        if heads < 1:
            raise ValueError(f"heads must be a positive int. Received: heads={heads}.")
        if normalization not in NORMALIZATIONS:
            raise ValueError(
                f"normalization must be one of {', '.join(NORMALIZATIONS)}. "
                f"Received: normalization={normalization!r}."
            )
        self.heads = heads
        self.normalization = normalization

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        features = input_shape[-1]
        if features % self.heads:
            raise ValueError(
                "heads must divide the number of features into equal groups. "
                f"Received: heads={self.heads}, features={features}."
            )
        self.kernel = self.add_weight(
            name="kernel",
            shape=(features, self.heads),
            initializer="zeros",
            autocast=False,
        )
        # A bias would cancel out of a softmax.
        self.bias = None
        if self.normalization == "sigmoid":
            self.bias = self.add_weight(
                name="bias", shape=(self.heads,), initializer="zeros", autocast=False
            )

    def call(self, inputs, mask=None):
        values, real = sequence.real_steps(inputs, mask)
        weights = self._weights(values, real)
        features = values.shape[-1]
        time = ops.shape(values)[1]
        # (batch, time, heads, features of a head)
        groups = ops.reshape(values, (-1, time, self.heads, features // self.heads))
        weights = ops.reshape(weights, (-1, time, self.heads, 1))
        pooled = ops.sum(weights * groups, axis=1)
        return ops.cast(ops.reshape(pooled, (-1, features)), self.compute_dtype)

    def _weights(self, values, real):
        """Returns weights `(batch, time, heads)` that sum to 1 over real steps."""
        scores = ops.matmul(values, ops.cast(self.kernel, values.dtype))
        if self.bias is not None:
            scores += ops.cast(self.bias, values.dtype)
            # The logarithm of a sigmoid: the softmax of it is the sum-normalised
            # sigmoid, and stays finite where every sigmoid underflows to zero.
            scores = ops.minimum(scores, 0.0) - ops.log(1.0 + ops.exp(-ops.abs(scores)))
        # Not `ops.softmax`: it warns about a clip of one step.
        if real is not None:
            scores = ops.where(real, scores, -1e9)
        highest = ops.max(scores, axis=1, keepdims=True)
        weights = ops.exp(scores - ops.stop_gradient(highest))
        if real is not None:
            weights = ops.where(real, weights, ops.zeros((), weights.dtype))
        # The largest weight is 1: the sum is less only without a real step.
        return weights / ops.maximum(ops.sum(weights, axis=1, keepdims=True), 1.0)

    def get_config(self):
        return {
            **super().get_config(),
            "heads": self.heads,
            "normalization": self.normalization,
        }
