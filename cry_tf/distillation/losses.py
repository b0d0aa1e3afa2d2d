"""Losses of a student: softened scores, features, labels with class weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

ops: Any = keras.ops  # typed, wrongly, as often None

Activation = Literal["softmax", "sigmoid"]

# Smaller probabilities are clipped: in float32 a division by them overflows.
_SMALLEST = 1e-30


def label_shares(y: Any, labels: int) -> tuple[Any, Any]:
    """Returns the truth as shares of the labels, and which clips have one.

    Args:
        y: Places `(batch,)` or `(batch, 1)`, -1 for a clip without a label; or
            shares or several labels `(batch, labels)`, in which a row with a
            negative number is a clip without a label.
        labels: Number of labels.

    Returns:
        Float32 `(batch, labels)`, zeros where there is no label, and bool
        `(batch,)`.

    Raises:
        ValueError: If `y` has another shape.
    """
    y = ops.convert_to_tensor(y)
    rank, width = len(y.shape), y.shape[-1] if len(y.shape) > 1 else 1
    has_places = width == 1 and labels > 1
    if rank > 2 or rank < 1 or not (has_places or width == labels):
        wanted = f"(batch,) of places or (batch, {labels})" * (labels > 1)
        wanted = wanted or "(batch,)"
        raise ValueError(
            f"y must be {wanted} for {labels} labels, with -1 for a clip without a "
            f"label. Received: shape={tuple(y.shape)}."
        )
    if has_places:
        places = ops.cast(ops.reshape(y, (-1,)), "int32")
        # one_hot would give a row of zeros for a place that does not exist.
        tf.debugging.assert_less(
            places,
            labels,
            f"y must hold places below {labels}, the number of labels, or -1. Give the "
            "student all labels of the data.",
        )
        return ops.one_hot(places, labels, dtype="float32"), places >= 0
    shares = ops.cast(ops.reshape(y, (-1, labels)), "float32")
    is_labelled = ops.all(shares >= 0, axis=-1)
    return ops.where(is_labelled[:, None], shares, 0.0), is_labelled


def hard_loss(shares: Any, logits: Any, activation: str) -> Any:
    """Returns the cross-entropy of the labels, `(batch,)`.

    Args:
        shares: Float `(batch, labels)` of `label_shares`.
        logits: Float `(batch, labels)` of the student.
        activation: With `softmax` summed over the labels, with `sigmoid` the mean
            over them, as Keras's own crossentropies are.
    """
    if activation == "softmax":
        return -ops.sum(shares * ops.log_softmax(logits, axis=-1), axis=-1)
    return ops.mean(ops.softplus(logits) - shares * logits, axis=-1)


def softened(logits: Any, temperature: Any, activation: str, weights: Any) -> Any:
    """Returns the mean of the softened scores of several teachers, `(batch, labels)`.

    Args:
        logits: Float `(batch, teachers, labels)`.
        temperature: What logits are divided by.
        activation: `softmax` or `sigmoid`.
        weights: Float `(teachers,)` that sum to 1.
    """
    of_scores = ops.softmax if activation == "softmax" else ops.sigmoid
    scores = of_scores(logits / temperature)
    return ops.sum(scores * ops.reshape(weights, (1, -1, 1)), axis=1)


def soft_loss(
    teacher_logits: Any,
    logits: Any,
    temperature: Any,
    activation: str,
    weights: Any,
) -> Any:
    """Returns `T² * KL(teachers || student)` of the softened scores, `(batch,)`.

    With `softmax` the divergence of one distribution over the labels. With
    `sigmoid` that of one Bernoulli distribution a label, the mean over labels.

    Args:
        teacher_logits: Float `(batch, teachers, labels)`.
        logits: Float `(batch, labels)` of the student.
        temperature: What all logits are divided by, T.
        activation: `softmax` or `sigmoid`.
        weights: Float `(teachers,)` that sum to 1.
    """
    wanted = softened(teacher_logits, temperature, activation, weights)
    logits = logits / temperature
    if activation == "softmax":
        cross = -ops.sum(wanted * ops.log_softmax(logits, axis=-1), axis=-1)
        entropy = -ops.sum(_times_log(wanted), axis=-1)
    else:
        cross = ops.mean(ops.softplus(logits) - wanted * logits, axis=-1)
        entropy = -ops.mean(_times_log(wanted) + _times_log(1 - wanted), axis=-1)
    return ops.square(temperature) * (cross - entropy)


def feature_loss(wanted: Any, found: Any, kind: str) -> Any:
    """Returns how far two vectors are apart, `(batch,)`.

    Args:
        wanted: Float `(batch, features)` of the teacher.
        found: The student's, projected to as many features.
        kind: `mse` for the mean squared difference, `cosine` for 1 - cosine.
    """
    if kind == "mse":
        return ops.mean(ops.square(wanted - found), axis=-1)
    return 1 - ops.sum(_unit(wanted) * _unit(found), axis=-1)


class MeanOverClips(keras.losses.Loss):
    """Keras's mean over a batch, with its weights and its share of a replica."""

    def call(self, y_true, y_pred):
        return y_pred

    def of(self, losses: Any, sample_weight: Any = None) -> Any:
        """Returns the mean of losses `(batch,)`, times `sample_weight` if given."""
        return self(losses, losses, sample_weight=sample_weight)


def _times_log(scores: Any) -> Any:
    return scores * ops.log(ops.maximum(scores, _SMALLEST))


def _unit(vectors: Any) -> Any:
    squares = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    return vectors / ops.sqrt(ops.maximum(squares, 1e-12))


class ClassWeights:
    """Turns `class_weight` and `sample_weight` into one weight a clip.

    Keras's own would look for the weight of the label -1.

    Args:
        labels: Number of labels.
        activation: `softmax` or `sigmoid`. With several labels that a sigmoid
            scores, a clip has no class.
    """

    def __init__(self, labels: int, activation: str):
        self._labels = labels
        self._has_classes = activation == "softmax" or labels == 1
        # A variable, so that a compiled graph sees the next fit.
        self._weights = keras.Variable(
            self._checked(None), trainable=False, dtype="float32", name="class_weight"
        )

    def set(self, class_weight: Mapping[int, float] | None) -> None:
        """Sets the weights by place in the labels; None sets all to 1.

        Raises:
            ValueError: If clips have no class, or a place or a weight is not
                possible.
        """
        self._weights.assign(self._checked(class_weight))

    def of(self, y: Any, sample_weight: Any) -> Any:
        """Returns the weight of each clip `(batch,)`, or None for 1 each.

        Args:
            y: As `label_shares` takes it, or None. A clip without a label
                has the class weight 1.
            sample_weight: `(batch,)` or `(batch, 1)`, or None.
        """
        if sample_weight is not None:
            sample_weight = ops.cast(ops.reshape(sample_weight, (-1,)), "float32")
        if y is None or not self._has_classes:
            return sample_weight
        shares, is_labelled = label_shares(y, self._labels)
        if self._labels == 1:  # its 0 and its 1 are two classes
            shares = ops.concatenate([1 - shares, shares], axis=-1)
        weights = ops.sum(shares * self._weights, axis=-1)
        weights = ops.where(is_labelled, weights, 1.0)
        return weights if sample_weight is None else weights * sample_weight

    def _checked(self, class_weight: Mapping[int, float] | None) -> np.ndarray:
        found = np.ones(max(2, self._labels), np.float32)
        if class_weight is not None and not self._has_classes:
            raise ValueError(
                "class_weight is for clips with one label each. Received: "
                f"{dict(class_weight)} for labels that a sigmoid scores. Give "
                "sample_weight."
            )
        for place, weight in (class_weight or {}).items():
            if not 0 <= place < len(found) or not 0 <= weight < float("inf"):
                raise ValueError(
                    "class_weight must give places in the labels a weight of at least "
                    f"0. Received: {place}: {weight} for {len(found)} labels."
                )
            found[place] = weight
        return found
