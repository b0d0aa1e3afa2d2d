"""What every fitted head does to its features and its decisions."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

INNER_FOLDS = 3
# Far below any logit: a label that did not occur in training is never answered.
NEVER = -1e4
_LARGEST_SCALE = 1e2


@dataclass(frozen=True)
class Standardization:
    """Takes a mean from each feature and divides by its deviation.

    Attributes:
        mean: Float64 `(features,)`.
        deviation: Float64 `(features,)`, positive; 1 where a feature of the
            training clips was constant.
    """

    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray) -> Standardization:
        """Measures features `(clips, features)` of the training fold."""
        features = np.asarray(features, np.float64)
        mean, deviation = features.mean(axis=0), features.std(axis=0)
        # What rounding makes of a constant is no deviation.
        is_constant = deviation <= 1e-6 * np.maximum(np.abs(mean), 1e-6)
        return cls(mean, np.where(is_constant, 1.0, deviation))

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Returns standardised features `(clips, features)`, float64."""
        return (np.asarray(features, np.float64) - self.mean) / self.deviation


def softmax(logits: np.ndarray) -> np.ndarray:
    """Returns scores `(clips, labels)` that sum to 1; -inf gives 0."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def label_weights(truth: np.ndarray, labels: int, is_balanced: bool) -> np.ndarray:
    """Returns a weight for each label, float64 `(labels,)`, 0 if it does not occur."""
    counts = np.bincount(truth, minlength=labels)
    if not is_balanced:
        return (counts > 0).astype(np.float64)
    return np.where(counts > 0, len(truth) / np.maximum(counts, 1), 0.0)


def inner_folds(
    truth: np.ndarray, groups: np.ndarray, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Splits a training fold by group once more.

    Args:
        truth: Int array `(clips,)`.
        groups: Array `(clips,)`, the source of each clip.
        seed: Draws the folds.

    Returns:
        (train, test) pairs of places; none if the groups do not suffice for two
        labels in every training part.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    fewest = min(len(np.unique(groups[truth == label])) for label in np.unique(truth))
    count = min(INNER_FOLDS, max(2, fewest), len(np.unique(groups)))
    if count < 2:
        return []
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a label of few clips is missing somewhere
        folds = list(splitter.split(truth, truth, groups))
    if any(len(np.unique(truth[train])) < 2 for train, _ in folds):
        return []
    return folds


def calibrated_scale(
    decide: Callable[[np.ndarray, np.ndarray], np.ndarray],
    truth: np.ndarray,
    groups: np.ndarray,
    weights: np.ndarray,
    seed: int,
    lowest: float,
) -> float:
    """Fits by how much decisions are scaled before the softmax.

    The scale changes how sure the scores are, not which label wins. It is fitted
    on decisions about clips that had no part in making them.

    Args:
        decide: Given places to fit on and places to judge, returns decisions
            `(clips judged, labels)`, -inf for a label that it does not know.
        truth: Int array `(clips,)` of the training fold.
        groups: Array `(clips,)`, the source of each clip.
        weights: Float array `(labels,)`, what a clip of each label counts.
        seed: Draws the inner folds.
        lowest: The smallest scale, positive. Where nothing was learned the best
            scale is 0; scores must still differ by more than rounding.

    Returns:
        The scale with the smallest mean negative log score, in [lowest, 100]; 1
        where the groups do not suffice for inner folds.
    """
    from scipy.optimize import minimize_scalar

    decisions, judged = [], []
    for train, test in inner_folds(truth, groups, seed):
        known = test[np.isin(truth[test], truth[train])]
        if len(known):
            decisions.append(decide(train, known))
            judged.append(known)
    if not judged:
        return 1.0
    found, labels = np.concatenate(decisions), truth[np.concatenate(judged)]
    clip_weights = weights[labels]

    def cost(log_scale: float) -> float:
        scores = softmax(np.exp(log_scale) * found)
        right = np.maximum(scores[np.arange(len(labels)), labels], 1e-300)
        return float(-(clip_weights * np.log(right)).sum() / clip_weights.sum())

    # The cost is convex in the scale, so it has one valley.
    best = minimize_scalar(
        cost, bounds=np.log([lowest, _LARGEST_SCALE]), method="bounded"
    )
    return float(np.exp(best.x))
