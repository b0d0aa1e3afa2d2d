"""Logits from the cosine to one prototype per label."""

from __future__ import annotations

from typing import Any

import keras

ops: Any = keras.ops  # typed, wrongly, as often None
# Below this length a vector has no direction to speak of.
_SHORTEST = 1e-6


@keras.saving.register_keras_serializable(package="cry_tf")
class PrototypeLogits(keras.layers.Layer):
    """Compares a standardised vector with one prototype per label.

    `logit = scale * cos((x - center) / deviation, prototype) + bias`. The
    prototypes, the scale and the bias can be trained; the standardisation is set
    from data. `cry-tf train --head prototype` sets everything.

    Args:
        labels: Number of prototypes, positive.
        **kwargs: Arguments of `keras.layers.Layer`.
    Call arguments:
        inputs: Float tensor `(batch, features)`. A vector equal to the center has no
            direction; its logits are the bias.
    Output shape:
        `(batch, labels)`, in `bias ± scale`.

    Raises:
        ValueError: If `labels` is not positive or the input is not of rank 2.

    Example:
    ```python
    layer = PrototypeLogits(2)
    layer.build((None, 2))
    layer.prototypes.assign([[1.0, 0.0], [0.0, 3.0]])  # the length does not matter
    layer(np.array([[5.0, 0.0]]))  # [[10.0, 0.0]]: the scale starts as 10
    ```

    Reference:
        [Snell et al., 2017](https://arxiv.org/abs/1703.05175) for prototypes,
        [Gidaris and Komodakis, 2018](https://arxiv.org/abs/1804.09458) for the
        scaled cosine.
    """

    def __init__(self, labels: int, **kwargs: Any):
        super().__init__(**kwargs)
        if labels < 1:
            raise ValueError(f"labels must be positive. Received: labels={labels!r}.")
        self.labels = labels

    def build(self, input_shape: Any) -> None:
        if len(input_shape) != 2 or input_shape[-1] is None:
            raise ValueError(
                "PrototypeLogits takes one vector a clip, (batch, features). "
                f"Received: input_shape={tuple(input_shape)}."
            )
        features = input_shape[-1]
        self.center = self.add_weight(
            name="center", shape=(features,), initializer="zeros", trainable=False
        )
        self.deviation = self.add_weight(
            name="deviation", shape=(features,), initializer="ones", trainable=False
        )
        self.prototypes = self.add_weight(
            name="prototypes",
            shape=(features, self.labels),
            initializer="glorot_uniform",
        )
        self.scale = self.add_weight(
            name="scale", shape=(), initializer=keras.initializers.Constant(10.0)
        )
        self.bias = self.add_weight(
            name="bias", shape=(self.labels,), initializer="zeros"
        )
        super().build(input_shape)

    def call(self, inputs):
        directions = _unit((inputs - self.center) / self.deviation, axis=1)
        cosines = ops.matmul(directions, _unit(self.prototypes, axis=0))
        return self.scale * cosines + self.bias

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.labels)

    def get_config(self):
        return {**super().get_config(), "labels": self.labels}


def _unit(vectors: Any, axis: int) -> Any:
    squares = ops.sum(ops.square(vectors), axis=axis, keepdims=True)
    return vectors / ops.sqrt(ops.maximum(squares, _SHORTEST**2))
