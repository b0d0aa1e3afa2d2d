"""The layers between the pooled embedding and the scores."""

from __future__ import annotations

import keras

from cry_tf.layers.prototype_logits import PrototypeLogits

MODEL_HEADS = ("softmax", "mlp", "prototype")
HIDDEN_UNITS = 128


def head_layers(head: str, labels: int, dropout: float) -> list[keras.layers.Layer]:
    """Returns new layers to apply one after the other.

    They end in one named `logits` and one named `scores`, float32 both.

    Args:
        head: One of `MODEL_HEADS`.
        labels: Number of labels.
        dropout: Rate in [0, 1) of the dropout before each dense layer.

    Raises:
        ValueError: If the head is none of them.
    """
    if head not in MODEL_HEADS:
        raise ValueError(
            f"The head of a model must be one of {', '.join(MODEL_HEADS)}. "
            f"Received: head={head!r}."
        )
    layers: list[keras.layers.Layer] = [keras.layers.Dropout(dropout, name="dropout")]
    if head == "mlp":
        layers += [
            keras.layers.Dense(HIDDEN_UNITS, activation="relu", name="hidden"),
            keras.layers.Dropout(dropout, name="hidden_dropout"),
        ]
    last = PrototypeLogits if head == "prototype" else keras.layers.Dense
    return [
        *layers,
        last(labels, name="logits", dtype="float32"),
        keras.layers.Activation("softmax", name="scores", dtype="float32"),
    ]
