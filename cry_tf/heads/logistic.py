"""Logistic regression on pooled embeddings, ready for a dense layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from cry_tf.heads.features import NEVER, Standardization, label_weights, softmax


@dataclass(frozen=True)
class LogisticHead:
    """A linear map and a softmax; the standardisation is folded in.

    Attributes:
        kernel: Float64 `(features, labels)`, for features as they come.
        bias: Float64 `(labels,)`.
    """

    kernel: np.ndarray
    bias: np.ndarray

    @classmethod
    def fit(
        cls,
        features: np.ndarray,
        truth: np.ndarray,
        labels: int,
        is_balanced: bool,
        seed: int,
    ) -> Self:
        """Fits on the training fold; see `cry_tf.heads.fitting.fit`."""
        from sklearn.linear_model import LogisticRegression

        standardize = Standardization.of(features)
        weights = label_weights(truth, labels, is_balanced)
        fitted = LogisticRegression(C=1.0, max_iter=2_000).fit(
            standardize(features),
            truth,
            # Balanced or not, the clips weigh 1 on average, so that C means the same.
            sample_weight=weights[truth] / weights[truth].mean(),
        )
        coefficients, intercept = fitted.coef_, fitted.intercept_
        if len(fitted.classes_) == 2:  # one row for the second label
            coefficients = np.vstack([-coefficients, coefficients]) / 2
            intercept = np.concatenate([-intercept, intercept]) / 2
        kernel = np.zeros((features.shape[1], labels))
        bias = np.full(labels, NEVER)
        kernel[:, fitted.classes_] = coefficients.T / standardize.deviation[:, None]
        shift = coefficients @ (standardize.mean / standardize.deviation)
        bias[fitted.classes_] = intercept - shift
        return cls(kernel, bias)

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Returns scores `(clips, labels)` of features `(clips, features)`."""
        return softmax(np.asarray(features, np.float64) @ self.kernel + self.bias)
