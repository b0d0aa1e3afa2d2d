"""One direction a label: the mean of its standardised embeddings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cry_tf.heads.features import (
    NEVER,
    Standardization,
    calibrated_scale,
    label_weights,
    softmax,
)

# A cosine is at most 1, and often a tenth.
_LOWEST_SCALE = 1.0


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

    standardize: Standardization
    prototypes: np.ndarray
    bias: np.ndarray
    scale: float

    @classmethod
    def fit(
        cls,
        features: np.ndarray,
        truth: np.ndarray,
        groups: np.ndarray,
        labels: int,
        is_balanced: bool,
        seed: int,
    ) -> PrototypeHead:
        """Fits on the training fold; see `cry_tf.heads.fitting.fit`.

        A prototype has no label frequencies, so `is_balanced` only decides how
        the scale is fitted.
        """

        def decide(train: np.ndarray, test: np.ndarray) -> np.ndarray:
            inner = _fit(features[train], truth[train], labels, 1.0)
            return inner.logits(features[test])

        weights = label_weights(truth, labels, is_balanced)
        scale = calibrated_scale(decide, truth, groups, weights, seed, _LOWEST_SCALE)
        return _fit(features, truth, labels, scale)

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Returns logits `(clips, labels)` of features `(clips, features)`."""
        cosines = _unit(self.standardize(features)) @ self.prototypes
        return self.scale * cosines + self.bias

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Returns scores `(clips, labels)` of features `(clips, features)`."""
        return softmax(self.logits(features))


def _fit(
    features: np.ndarray, truth: np.ndarray, labels: int, scale: float
) -> PrototypeHead:
    """Takes the direction of the mean of each label's directions."""
    standardize = Standardization.of(features)
    directions = _unit(standardize(features))
    means, bias = np.zeros((labels, features.shape[1])), np.full(labels, NEVER)
    for label in np.unique(truth):
        means[label] = directions[truth == label].mean(axis=0)
        bias[label] = 0.0
    return PrototypeHead(standardize, _unit(means).T, bias, scale)


def _unit(rows: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(lengths, 1e-6)
