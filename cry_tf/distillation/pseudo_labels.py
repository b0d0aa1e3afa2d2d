"""The teacher as a filter: labels for windows of which it is sure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cry_tf.evaluation.calibration import Bin, calibrate
from cry_tf.evaluation.predictions import Predictions

_BINS = 20
# Fewer clips than these say nothing about one error in twenty.
_LEAST_CLIPS = 20


def sure_from(
    predictions: Predictions, precision: float, least_clips: int = _LEAST_CLIPS
) -> dict[str, float | None]:
    """Returns from which score on a teacher may be believed, by label.

    It is the lowest edge of a bin of its calibration such that, of the clips with
    a score of it or more, a share of at least `precision` had been scored rightly.
    A detector has a threshold of its own for the cry and for its absence; the
    answers of a classifier share one.

    Args:
        predictions: Of clips that the teacher did not hear in training.
        precision: Share in (0, 1).
        least_clips: So many clips must stand behind a threshold.

    Returns:
        A threshold in [0, 1] of the label's own score, or None where no score is
        sure enough.
    """
    bins = calibrate(predictions, _BINS).bins
    falling = [*reversed(bins)]
    if predictions.positive_label is None:
        threshold = _lowest_edge(falling, precision, least_clips, is_mirrored=False)
        return dict.fromkeys(predictions.labels, threshold)
    found: dict[str, float | None] = {}
    for place, label in enumerate(predictions.labels):
        is_cry = place == predictions.positive_index
        order = falling if is_cry else bins
        found[label] = _lowest_edge(order, precision, least_clips, not is_cry)
    return found


def _lowest_edge(
    bins: Sequence[Bin], precision: float, least_clips: int, is_mirrored: bool
) -> float | None:
    """Returns how far from the surest bin one may go; mirrored bins claim not."""
    clips, right, found = 0, 0.0, None
    for each in bins:
        if each.observed is not None:
            share = 1 - each.observed if is_mirrored else each.observed
            clips, right = clips + each.clips, right + share * each.clips
        if clips >= least_clips and right >= precision * clips and each.clips:
            found = 1 - each.high if is_mirrored else each.low
    return found


def pseudo_labels(
    scores: np.ndarray,
    thresholds: Sequence[dict[str, float | None]],
    labels: Sequence[str],
) -> np.ndarray:
    """Labels windows where every teacher is sure, and all of the same label.

    Args:
        scores: Float `(windows, teachers, labels)`.
        thresholds: Of each teacher, see `sure_from`.
        labels: Names of the scores.

    Returns:
        Int32 `(windows,)`: a place in the labels, -1 where they are not sure.
    """
    best = scores.argmax(axis=2)  # (windows, teachers)
    edges = np.array(
        [
            [2.0 if (edge := of_one[label]) is None else edge for label in labels]
            for of_one in thresholds
        ]
    )
    is_sure = np.ones(len(scores), bool)
    for teacher in range(scores.shape[1]):
        place = best[:, teacher]
        is_sure &= (
            scores[np.arange(len(scores)), teacher, place] >= edges[teacher, place]
        )
    is_sure &= (best == best[:, :1]).all(axis=1)
    return np.where(is_sure, best[:, 0], -1).astype(np.int32)
