"""The weight of each class, as Keras's `class_weight`, where some clips have none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from cry_tf.distillation import losses

ops: Any = keras.ops  # typed, wrongly, as often None


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
        # A variable, so that a compiled graph hears of the next fit.
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
            y: As `losses.label_shares` takes it, or None. A clip without a label
                has the class weight 1.
            sample_weight: `(batch,)` or `(batch, 1)`, or None.
        """
        if sample_weight is not None:
            sample_weight = ops.cast(ops.reshape(sample_weight, (-1,)), "float32")
        if y is None or not self._has_classes:
            return sample_weight
        shares, is_labelled = losses.label_shares(y, self._labels)
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
