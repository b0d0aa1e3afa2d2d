"""One direction a label: the mean of its standardised embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from cry_tf.heads.features import NEVER, Standardization, softmax


@dataclass(frozen=True)
class PrototypeHead:
    """The scaled cosine to each label's prototype, and a softmax.

    Attributes:
        standardize: Fitted on the training fold; without it, the mean embedding
            of all clips would be most of every prototype.
        prototypes: Float64 `(features, labels)`, a unit vector each; zeros for a
            label that did not occur in training.
        bias: Float64 `(labels,)`, 0; far below any logit for a label that did not
            occur.
        scale: What a cosine of 1 is worth as a logit, positive.
    """

    # A cosine is at most 1, and often a tenth.
    lowest_scale: ClassVar = 1.0
    standardize: Standardization
    prototypes: np.ndarray
    bias: np.ndarray
    scale: float

    @classmethod
    def fit(
        cls,
        features: np.ndarray,
        truth: np.ndarray,
        labels: int,
        is_balanced: bool,
        seed: int,
    ) -> Self:
        """Fits on the training fold with scale 1; see `cry_tf.heads.fitting.fit`.

        A prototype has no label frequencies, so `is_balanced` only decides how
        the scale is fitted.
        """
        standardize = Standardization.of(features)
        directions = unit(standardize(features))
        means, bias = np.zeros((labels, features.shape[1])), np.full(labels, NEVER)
        for label in np.unique(truth):
            means[label] = directions[truth == label].mean(axis=0)
            bias[label] = 0.0
        return cls(standardize, unit(means).T, bias, 1.0)

    def decisions(self, features: np.ndarray) -> np.ndarray:
        """Returns logits `(clips, labels)` of features `(clips, features)`."""
        cosines = unit(self.standardize(features)) @ self.prototypes
        return self.scale * cosines + self.bias

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Returns scores `(clips, labels)` of features `(clips, features)`."""
        return softmax(self.decisions(features))


def unit(rows: np.ndarray) -> np.ndarray:
    """Returns rows of length 1; a row of zeros stays."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(lengths, 1e-6)
