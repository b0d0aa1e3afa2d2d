"""Fits a head by its name on the pooled embeddings of a training fold."""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

import numpy as np

from cry_tf.heads.features import calibrated_scale, label_weights
from cry_tf.heads.gaussian_mixture import GaussianMixtureHead
from cry_tf.heads.logistic import LogisticHead
from cry_tf.heads.prototypes import PrototypeHead
from cry_tf.heads.support_vectors import SVMHead


class FittedHead(Protocol):
    """Gives pooled embeddings their scores, with NumPy alone."""

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Returns scores `(clips, labels)` of features `(clips, features)`."""
        ...


_HEADS: dict[str, Any] = {
    "svm": SVMHead,
    "gmm": GaussianMixtureHead,
    "logreg": LogisticHead,
    "prototype": PrototypeHead,
}


def fit(
    name: str,
    features: np.ndarray,
    truth: np.ndarray,
    groups: np.ndarray,
    labels: int,
    is_balanced: bool = True,
    seed: int = 0,
) -> FittedHead:
    """Fits a head on a training fold.

    Args:
        name: `svm`, `gmm`, `logreg` or `prototype`.
        features: Float array `(clips, features)`, pooled embeddings.
        truth: Int array `(clips,)` in [0, labels).
        groups: Array `(clips,)`, the source of each clip; what is calibrated is
            calibrated on sources that were not fitted on.
        labels: Number of labels; one that does not occur is never answered.
        is_balanced: True lets every label that occurs count the same.
        seed: Draws inner folds and the first components of mixtures.

    Returns:
        The head.

    Raises:
        ValueError: If the name is unknown, a feature is not finite, or fewer than
            two labels occur.
    """
    if name not in _HEADS:
        raise ValueError(
            f"A fitted head is one of {', '.join(_HEADS)}. Received: name={name!r}."
        )
    if len(np.unique(truth)) < 2:
        raise ValueError(
            "A head is fitted on clips of at least two labels. Received: "
            f"{len(np.unique(truth))}."
        )
    if not np.isfinite(features).all():
        raise ValueError(
            "Features must be finite to fit a head on. Look for a damaged clip or "
            "weights file."
        )
    kind = _HEADS[name]
    head = kind.fit(features, truth, labels, is_balanced, seed)
    if kind is LogisticHead:  # its scores are calibrated as they are
        return head

    def decide(train: np.ndarray, test: np.ndarray) -> np.ndarray:
        inner = kind.fit(features[train], truth[train], labels, is_balanced, seed)
        return inner.decisions(features[test])

    weights = label_weights(truth, labels, is_balanced)
    scale = calibrated_scale(
        decide, truth, np.asarray(groups), weights, seed, kind.lowest_scale
    )
    return dataclasses.replace(head, scale=scale)
