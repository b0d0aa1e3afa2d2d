"""Chooses the decision threshold of a detector."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from cry_tf.evaluation.detection import OperatingPoint, operating_point
from cry_tf.runs.predictions import Predictions

MIN_RECALL = 0.95


def choose_threshold(
    scores: np.ndarray, is_positive: np.ndarray, min_recall: float = MIN_RECALL
) -> float:
    """Returns the threshold with the fewest false alarms at a recall.

    Among the thresholds that find at least `min_recall` of the positives, those
    with the fewest false alarms are kept, and of these the one that finds most.
    It is placed halfway to the negative just below it, so that neither side
    stands on the edge.

    Args:
        scores: Float array `(clips,)` in [0, 1], higher means more positive.
        is_positive: Bool array `(clips,)`.
        min_recall: Share of the positives to find, in (0, 1].

    Returns:
        A threshold in [0, 1]; a clip is called when its score is at least that.

    Raises:
        ValueError: If a class is missing or `min_recall` is out of range.
    """
    if not 0 < min_recall <= 1:
        raise ValueError(
            f"min_recall must be in (0, 1]. Received: min_recall={min_recall!r}."
        )
    positives = np.sort(scores[is_positive])
    negatives = np.sort(scores[~is_positive])
    if not len(positives) or not len(negatives):
        raise ValueError(
            "A threshold is chosen between positive and negative clips. Received: "
            f"{len(positives)} positive, {len(negatives)} negative."
        )
    # The epsilon keeps 0.95 * 20 = 19.000000000000004 from asking for 20.
    needed = int(np.ceil(min_recall * len(positives) - 1e-9))
    strictest = positives[len(positives) - needed]
    below = negatives[negatives < strictest]
    if not len(below):
        return float(strictest)
    loosest = positives[positives > below[-1]][0]
    halfway = float((loosest + below[-1]) / 2)
    # Between two neighbouring floats there is no room: the positive itself serves.
    return halfway if halfway > below[-1] else float(loosest)


def cross_fitted_point(
    predictions: Predictions, min_recall: float = MIN_RECALL
) -> OperatingPoint | None:
    """Measures a threshold on clips that it was not chosen on.

    The threshold of each fold is chosen on the scores of the other folds.

    Args:
        predictions: Out-of-fold scores of a detector.
        min_recall: As in `choose_threshold`.

    Returns:
        The operating point over all folds, its `threshold` None; or None if the
        folds left over lack a class.
    """
    thresholds = np.empty(len(predictions.files))
    for fold in np.unique(predictions.folds):
        others = predictions.subset(np.flatnonzero(predictions.folds != fold))
        if len(set(others.truth)) != len(predictions.labels):
            return None
        thresholds[predictions.folds == fold] = choose_threshold(
            others.positive_scores, others.is_positive, min_recall
        )
    return operating_point(predictions, thresholds)


@dataclass(frozen=True)
class ChosenThreshold:
    """The threshold of a deployed detector, and how good the choice is.

    Attributes:
        threshold: Positive score in [0, 1] from which a clip is called a cry.
        min_recall: The recall that was asked for.
        same_scores: What it does on the very scores it was chosen on, which
            flatters it.
        cross_fitted: What the same choice does on clips that had no part in it,
            None where folds lack a class.
    """

    threshold: float
    min_recall: float
    same_scores: OperatingPoint
    cross_fitted: OperatingPoint | None

    @classmethod
    def of(
        cls, predictions: Predictions, min_recall: float = MIN_RECALL
    ) -> ChosenThreshold:
        """Chooses the threshold of a detector on its out-of-fold predictions."""
        threshold = choose_threshold(
            predictions.positive_scores, predictions.is_positive, min_recall
        )
        return cls(
            threshold,
            min_recall,
            operating_point(predictions, threshold),
            cross_fitted_point(predictions, min_recall),
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the choice as JSON types only."""
        return {
            **dataclasses.asdict(self),
            "note": (
                "Chosen on the out-of-fold scores, so same_scores flatters it; "
                "cross_fitted chooses on the other folds each time."
            ),
        }
