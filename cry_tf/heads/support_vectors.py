"""Support vector machines on pooled embeddings, one a label against the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from cry_tf.heads.features import Standardization, softmax

_C = 1.0


@dataclass(frozen=True)
class SVMHead:
    """Decisions of one machine a label, scaled before a softmax.

    Its scores are calibrated decisions: a softmax over the machines' decisions,
    with one scale for all labels that is fitted on inner folds by group. Platt's
    offset for each label is left out, since on rare labels it is fitted on a
    handful of clips and can turn a decision round.

    Attributes:
        standardize: Fitted on the training fold.
        vectors: Float64 `(vectors, features)`, standardised.
        duals: Float64 `(vectors, labels)`, weight of each vector for each label.
        intercepts: Float64 `(labels,)`; -inf for a label that did not occur.
        gamma: Width parameter of the kernel `exp(-gamma * |x - v|^2)`.
        scale: What a decision of 1 is worth as a logit, positive.
    """

    # A decision is about 1 from the edge.
    lowest_scale: ClassVar = 0.1
    standardize: Standardization
    vectors: np.ndarray
    duals: np.ndarray
    intercepts: np.ndarray
    gamma: float
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
        """Fits on the training fold with scale 1; see `cry_tf.heads.fitting.fit`."""
        from sklearn.svm import SVC

        standardize = Standardization.of(features)
        x = standardize(features)
        gamma = 1.0 / x.shape[1]  # the features' variance is 1
        duals = np.zeros((len(x), labels))
        intercepts = np.full(labels, -np.inf)
        for label in np.unique(truth):
            machine = SVC(
                C=_C, gamma=gamma, class_weight="balanced" if is_balanced else None
            )
            machine.fit(x, truth == label)
            duals[machine.support_, label] = machine.dual_coef_[0]
            intercepts[label] = machine.intercept_[0]
        is_used = duals.any(axis=1)
        return cls(standardize, x[is_used], duals[is_used], intercepts, gamma, 1.0)

    def decisions(self, features: np.ndarray) -> np.ndarray:
        """Returns `(clips, labels)`, positive where a machine accepts its label."""
        x = self.standardize(features)
        squares = (x**2).sum(1)[:, None] + (self.vectors**2).sum(1)
        squares -= 2 * x @ self.vectors.T
        kernel = np.exp(-self.gamma * np.maximum(squares, 0))
        return kernel @ self.duals + self.intercepts

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Returns scores `(clips, labels)` of features `(clips, features)`."""
        return softmax(self.scale * self.decisions(features))
