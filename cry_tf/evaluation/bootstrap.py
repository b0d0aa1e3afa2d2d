"""Confidence intervals by resampling whole groups.

Clips of one baby are similar, so a bootstrap over clips gives too narrow intervals.
Here a group is drawn with all its clips or not at all. Every statistic is
computed for all draws at once from integer weights, which keeps a thousand
draws under a second.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

DRAWS = 1000


def group_weights(
    groups: Sequence[str], draws: int = DRAWS, seed: int = 0
) -> np.ndarray:
    """Draws groups with replacement.

    Args:
        groups: Group of each clip.
        draws: Number of draws, positive.
        seed: Seed of the draws.

    Returns:
        Float64 array `(draws, clips)`: how often each clip was drawn.
    """
    names, of_clip = np.unique(np.asarray(groups), return_inverse=True)
    rng = np.random.default_rng(seed)
    equal = np.full(len(names), 1 / len(names))
    counts = rng.multinomial(len(names), equal, size=draws)
    return counts[:, of_clip].astype(np.float64)


def interval(values: np.ndarray) -> tuple[float | None, float | None]:
    """Returns the 2.5th and 97.5th percentile, ignoring draws without a value.

    Args:
        values: Float array `(draws,)`; NaN where a draw lacked what the
            statistic needs, for instance a whole class.

    Returns:
        Low and high, or None twice if no draw had a value.
    """
    values = values[~np.isnan(values)]
    if not len(values):
        return None, None
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def confusion_matrices(
    truth: np.ndarray, predicted: np.ndarray, labels: int, weights: np.ndarray
) -> np.ndarray:
    """Counts of (true, predicted) in each draw.

    Args:
        truth: Int array `(clips,)` in [0, labels).
        predicted: Int array `(clips,)` in [0, labels).
        labels: Number of labels.
        weights: Float array `(draws, clips)`.

    Returns:
        Float array `(draws, labels, labels)`, rows are the truth.
    """
    cells = np.zeros((len(truth), labels * labels))
    cells[np.arange(len(truth)), truth * labels + predicted] = 1
    return (weights @ cells).reshape(-1, labels, labels)


def _sums_per_score(
    scores: np.ndarray, is_positive: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weights of positives and negatives at each distinct score, highest first."""
    order = np.argsort(-scores, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(scores[order]) != 0])
    weights, is_positive = weights[:, order], is_positive[order]
    positives = np.add.reduceat(weights * is_positive, starts, axis=1)
    negatives = np.add.reduceat(weights * ~is_positive, starts, axis=1)
    return positives, negatives  # (draws, distinct scores) each


def roc_aucs(
    scores: np.ndarray, is_positive: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Area under the ROC curve in each draw, a tie counting one half.

    Args:
        scores: Float array `(clips,)`, higher means more positive.
        is_positive: Bool array `(clips,)`.
        weights: Float array `(draws, clips)`.

    Returns:
        Float array `(draws,)`, NaN where a draw has one class only.
    """
    positives, negatives = _sums_per_score(scores, is_positive, weights)
    below = negatives.sum(axis=1, keepdims=True) - np.cumsum(negatives, axis=1)
    wins = (positives * (below + negatives / 2)).sum(axis=1)
    pairs = positives.sum(axis=1) * negatives.sum(axis=1)
    return np.where(pairs > 0, wins / np.maximum(pairs, 1e-12), np.nan)


def average_precisions(
    scores: np.ndarray, is_positive: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Average precision in each draw: precision weighted by the gain in recall.

    Args:
        scores: Float array `(clips,)`, higher means more positive.
        is_positive: Bool array `(clips,)`.
        weights: Float array `(draws, clips)`.

    Returns:
        Float array `(draws,)`, NaN where a draw has no positive.
    """
    positives, negatives = _sums_per_score(scores, is_positive, weights)
    found = np.cumsum(positives, axis=1)
    called = found + np.cumsum(negatives, axis=1)
    precision = found / np.maximum(called, 1e-12)
    total = positives.sum(axis=1)
    gained = (precision * positives).sum(axis=1)
    return np.where(total > 0, gained / np.maximum(total, 1e-12), np.nan)
