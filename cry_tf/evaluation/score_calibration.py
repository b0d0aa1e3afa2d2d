"""Calibration: whether clips with a score of 0.8 are right 80 % of the time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cry_tf.runs.predictions import Predictions


@dataclass(frozen=True)
class Bin:
    """The clips whose score falls between two edges.

    Attributes:
        low: Lower edge of the scores.
        high: Upper edge of the scores.
        clips: Number of clips, 0 for an empty bin.
        mean_score: Mean score of the clips, None without one.
        observed: Share of the clips for which the score's claim was true, None
            without one.
    """

    low: float
    high: float
    clips: int
    mean_score: float | None
    observed: float | None


@dataclass(frozen=True)
class Calibration:
    """Scores against what happened.

    Attributes:
        claim: What a score claims, in words.
        bins: Ten bins of equal width over [0, 1].
        expected_error: Mean distance of score and share over the clips, the
            expected calibration error.
    """

    claim: str
    bins: tuple[Bin, ...]
    expected_error: float


def calibrate(predictions: Predictions, bins: int = 10) -> Calibration:
    """Compares scores with frequencies.

    A detector's score claims "this is a cry"; a classifier's highest score
    claims "this answer is right".

    Args:
        predictions: The scored clips.
        bins: Number of bins, positive.

    Returns:
        The calibration, empty bins included.
    """
    if predictions.positive_label is None:
        scores = predictions.scores.max(axis=1)
        is_true = predictions.predicted == predictions.truth
        claim = "the answer is right"
    else:
        scores = predictions.positive_scores
        is_true = predictions.is_positive
        claim = f"the clip is {predictions.positive_label}"
    edges = np.linspace(0, 1, bins + 1)
    of_clip = np.clip(np.digitize(scores, edges[1:-1]), 0, bins - 1)
    entries, error = [], 0.0
    for i in range(bins):
        inside = of_clip == i
        clips = int(inside.sum())
        mean_score = float(scores[inside].mean()) if clips else None
        observed = float(is_true[inside].mean()) if clips else None
        if mean_score is not None and observed is not None:
            error += clips / len(scores) * abs(mean_score - observed)
        entries.append(
            Bin(float(edges[i]), float(edges[i + 1]), clips, mean_score, observed)
        )
    return Calibration(claim, tuple(entries), error)
