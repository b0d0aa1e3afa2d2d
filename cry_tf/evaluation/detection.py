"""Evaluates a detector: false alarms per hour at a recall, not accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from sklearn.metrics import roc_curve

from cry_tf.runs.predictions import Predictions

FALSE_POSITIVE_RATES = (0.001, 0.01, 0.05, 0.1)


@dataclass(frozen=True)
class OperatingPoint:
    """Recall and false alarms of a detector at one threshold.

    Attributes:
        threshold: Positive score in [0, 1] from which a clip is called a cry.
            None if each fold had a threshold of its own.
        recall: Share of the positive clips that are found; None without one.
        precision: Share of the called clips that are positive; None without one.
        false_positive_rate: Share of the negative clips called a cry; None
            without one.
        false_alarms: Number of negative clips called a cry; where recordings were
            scored in windows, of events in them, see `counted`.
        false_alarms_per_hour: The same an hour of negative audio; None without.
        negative_hours: Negative audio in the data, hours.
        counted: What `false_alarms` counts, `clips` or `events`.
    """

    threshold: float | None
    recall: float | None
    precision: float | None
    false_positive_rate: float | None
    false_alarms: int
    false_alarms_per_hour: float | None
    negative_hours: float
    counted: Literal["clips", "events"] = "clips"


@dataclass(frozen=True)
class RecallAtRate:
    """The best recall that a false-positive rate allows.

    Attributes:
        false_positive_rate: The rate that is not exceeded.
        recall: Share of the positive clips found.
        threshold: The positive score that gives it.
    """

    false_positive_rate: float
    recall: float
    threshold: float


def operating_point(
    predictions: Predictions, threshold: float | Sequence[float] | np.ndarray
) -> OperatingPoint:
    """Counts hits and false alarms at a threshold.

    Events are known at the threshold of the predictions alone; at any other, and
    where whole clips were scored at once, clips are counted.

    Args:
        predictions: Out-of-fold or test scores of a detector.
        threshold: One for all clips, or one for each clip.

    Returns:
        The operating point.
    """
    called = predictions.positive_scores >= np.asarray(threshold)
    positive = predictions.is_positive
    hits = int((called & positive).sum())
    called_wrongly = int((called & ~positive).sum())
    false_alarms = called_wrongly
    is_own = np.ndim(threshold) == 0 and threshold == predictions.threshold
    events = predictions.events if is_own else None
    if events is not None:
        false_alarms = int(events[~positive].sum())
    hours = float(predictions.durations_s[~positive].sum()) / 3600
    return OperatingPoint(
        threshold=float(threshold) if np.ndim(threshold) == 0 else None,  # type: ignore[arg-type]
        recall=_share(hits, int(positive.sum())),
        precision=_share(hits, hits + called_wrongly),
        false_positive_rate=_share(called_wrongly, int((~positive).sum())),
        false_alarms=false_alarms,
        false_alarms_per_hour=_share(false_alarms, hours),
        negative_hours=hours,
        counted="clips" if events is None else "events",
    )


def recall_at_rates(
    predictions: Predictions, rates: Sequence[float] = FALSE_POSITIVE_RATES
) -> tuple[RecallAtRate, ...]:
    """Returns the best recall at each false-positive rate.

    Args:
        predictions: Out-of-fold or test scores of a detector.
        rates: False-positive rates in [0, 1].

    Returns:
        One entry a rate; none if the data holds one class only.
    """
    positive = predictions.is_positive
    if positive.all() or not positive.any():
        return ()
    false_positive_rate, recall, thresholds = roc_curve(
        positive, predictions.positive_scores, drop_intermediate=False
    )
    entries = []
    for rate in rates:
        last = int(np.flatnonzero(false_positive_rate <= rate)[-1])
        # The first point of the curve calls nothing: its threshold is infinite.
        threshold = min(float(thresholds[last]), 1.0)
        entries.append(RecallAtRate(rate, float(recall[last]), threshold))
    return tuple(entries)


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None
