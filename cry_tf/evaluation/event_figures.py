"""All figures of a detector on annotated recordings, with intervals by recording."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cry_lite.spec import DecisionSpec
from cry_tf.evaluation import alarm_curve, bootstrap, event_counts
from cry_tf.evaluation.alarm_curve import (
    RATES_PER_HOUR,
    AlarmCurve,
    AlarmPoint,
    AnnotatedRecording,
)
from cry_tf.evaluation.event_counts import Counts
from cry_tf.evaluation.figures import Estimate

PSDS_SHARES = {"psds1": 0.7, "psds2": 0.1}
DEFINITIONS = {
    "bout": "annotated cries with shorter pauses than merge_gap_s between them",
    "alarm": (
        f"the start of a detected event, and every {alarm_curve.REPEAT_S:g} s while "
        f"it goes on; false if it is more than {alarm_curve.TOLERANCE_S:g} s from "
        "every bout"
    ),
    "recall": (
        "share of the bouts that a detected event comes within "
        f"{alarm_curve.TOLERANCE_S:g} s of"
    ),
    "false_alarms_per_hour": (
        f"of the time more than {alarm_curve.TOLERANCE_S:g} s from every bout"
    ),
    "event_f1": (
        f"onset within {event_counts.ONSET_COLLAR_S:g} s, offset within "
        f"{event_counts.OFFSET_COLLAR_S:g} s or {event_counts.OFFSET_SHARE:.0%} of the "
        "bout, each bout matched once"
    ),
    "intersection_f1": "half of an event in bouts, half of a bout under such events",
    "psds1": "shares 0.7 and 0.7, up to 100 false alarms an hour, one label",
    "psds2": "shares 0.1 and 0.1, up to 100 false alarms an hour, one label",
    "segment_f1": f"segments of {event_counts.SEGMENT_S:g} s",
    "onset_delay_s": "start of the event that finds a bout, after that of the bout",
    "alarm_delay_s": (
        "end of the window with which a device that scores as it records alarms, after "
        "the start of the bout"
    ),
    "intervals": "95 %, 1,000 draws of whole recordings",
    "no_false_alarm": (
        "none in T hours shows a rate below 3 / T an hour, with 95 % confidence"
    ),
}


@dataclass(frozen=True)
class ConditionFigures:
    """Recall under one condition.

    Attributes:
        name: Of the condition.
        bouts: Number of bouts under it.
        recall: At the threshold of the model.
        at_rates: At the thresholds of `EventFigures.at_rates`, in their order.
    """

    name: str
    bouts: int
    recall: Estimate
    at_rates: tuple[Estimate, ...]


@dataclass(frozen=True)
class EventFigures:
    """The figures of a detector on annotated recordings.

    Attributes:
        recordings: Number of recordings.
        hours: Their length.
        bouts: Number of bouts.
        bout_s: Median length of a bout, seconds; None without one.
        hours_without: Hours in which an alarm is false.
        own: At the threshold of the model.
        at_rates: Rate an hour and the best that it allows; the thresholds are chosen
            on these recordings.
        event_f1: Collar-based F1 at the threshold of the model, as the next two.
        intersection_f1: F1 by intersection.
        segment_f1: F1 of seconds.
        psds1: Over all thresholds, as the next.
        psds2: With lenient shares.
        onset_delay_s: Median over the bouts found, at the threshold of the model.
        alarm_delay_s: Median over the bouts with an alarm, likewise.
        conditions: Recall under each condition; empty without conditions.
        curve: Recall and rate at each threshold.
    """

    recordings: int
    hours: float
    bouts: int
    bout_s: float | None
    hours_without: float
    own: AlarmPoint
    at_rates: tuple[tuple[float, AlarmPoint], ...]
    event_f1: Estimate
    intersection_f1: Estimate
    segment_f1: Estimate
    psds1: Estimate
    psds2: Estimate
    onset_delay_s: Estimate
    alarm_delay_s: Estimate
    conditions: tuple[ConditionFigures, ...]
    curve: AlarmCurve = dataclasses.field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON types."""
        values: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name == "curve":
                continue
            if field.name == "at_rates":
                value = [
                    {"at_most_per_hour": rate, **dataclasses.asdict(point)}
                    for rate, point in value
                ]
            elif field.name == "conditions":
                value = [dataclasses.asdict(condition) for condition in value]
            elif dataclasses.is_dataclass(value):
                value = dataclasses.asdict(value)  # type: ignore[arg-type]
            values[field.name] = value
        values["curve"] = [
            {
                "threshold": threshold if math.isfinite(threshold) else None,
                "recall": None if math.isnan(recall) else recall,
                "false_alarms_per_hour": None if math.isnan(rate) else rate,
            }
            for threshold, recall, rate in zip(
                self.curve.thresholds.tolist(),
                self.curve.recalls.tolist(),
                self.curve.rates.tolist(),
                strict=True,
            )
        ]
        return values


def measure_events(
    recordings: Sequence[AnnotatedRecording],
    decision: DecisionSpec,
    rates: Sequence[float] = RATES_PER_HOUR,
    seed: int = 0,
) -> EventFigures:
    """Measures a detector on annotated recordings.

    Args:
        recordings: Scored recordings with their bouts, at least one.
        decision: Settings of the detector.
        rates: False alarms an hour at which the best recall is given.
        seed: Seed of the draws of recordings.

    Raises:
        ValueError: If there is no recording.
    """
    curve = alarm_curve.alarm_curve(recordings, decision, seed=seed)
    own = int(np.flatnonzero(curve.thresholds == decision.onset_threshold)[0])
    found = [recording.found(decision) for recording in recordings]
    weights, durations = curve.weights, [each.duration_s for each in recordings]

    def f1(count: Callable[[AnnotatedRecording, np.ndarray], Counts]) -> Estimate:
        counts = np.array(list(map(count, recordings, found)), np.float64)
        drawn = [event_counts.f1(*row) for row in (weights @ counts).tolist()]
        values = np.array([np.nan if v is None else v for v in drawn], np.float64)
        return Estimate(
            event_counts.f1(*counts.sum(axis=0)), *bootstrap.interval(values)
        )

    at_rates = tuple((rate, curve.at_rate(rate)) for rate in rates)
    lengths_s = np.concatenate([np.diff(each.reference)[:, 0] for each in recordings])
    return EventFigures(
        recordings=len(recordings),
        hours=sum(durations) / 3600,
        bouts=int(curve.bouts.sum()),
        bout_s=float(np.median(lengths_s)) if len(lengths_s) else None,
        hours_without=float(curve.hours.sum()),
        own=curve.at_threshold(own),
        at_rates=at_rates,
        event_f1=f1(lambda each, events: event_counts.matched(each.reference, events)),
        intersection_f1=f1(
            lambda each, events: event_counts.intersecting(each.reference, events)
        ),
        segment_f1=f1(
            lambda each, events: event_counts.segments(
                each.reference, events, each.duration_s
            )
        ),
        **_psds(recordings, decision, curve),
        onset_delay_s=_median(
            [
                alarm_curve.onset_delays(each.reference, events)
                for each, events in zip(recordings, found, strict=True)
            ],
            weights,
        ),
        alarm_delay_s=_median(
            [alarm_curve.alarm_delays(each, decision) for each in recordings], weights
        ),
        conditions=_conditions(
            recordings, decision, [point.threshold for _, point in at_rates], weights
        ),
        curve=curve,
    )


def _psds(
    recordings: Sequence[AnnotatedRecording], decision: DecisionSpec, curve: AlarmCurve
) -> dict[str, Estimate]:
    size = (len(PSDS_SHARES), len(recordings), len(curve.thresholds))
    hits, alarms = np.zeros(size), np.zeros(size)
    for place, threshold in enumerate(curve.thresholds.tolist()):
        if not math.isfinite(threshold):
            continue
        at = alarm_curve.with_threshold(decision, threshold)
        for row, recording in enumerate(recordings):
            found = recording.found(at)
            for kind, share in enumerate(PSDS_SHARES.values()):
                _, hits[kind, row, place], alarms[kind, row, place] = (
                    event_counts.intersecting(recording.reference, found, share, share)
                )
    bouts = curve.bouts.astype(np.float64)
    hours = np.array([recording.duration_s for recording in recordings]) / 3600
    values = {}
    for kind, name in enumerate(PSDS_SHARES):

        def score(weights: np.ndarray, kind: int = kind) -> float:
            total = weights @ bouts
            if not total:
                return math.nan
            return event_counts.psds(
                weights @ hits[kind] / total, weights @ alarms[kind] / (weights @ hours)
            )

        value = score(np.ones(len(recordings)))
        drawn = np.array([score(row) for row in curve.weights], np.float64)
        values[name] = Estimate(
            None if math.isnan(value) else value, *bootstrap.interval(drawn)
        )
    return values


def _median(delays: Sequence[np.ndarray], weights: np.ndarray) -> Estimate:
    """Returns the median of all delays but NaN, drawn by recording."""
    counts = [int((~np.isnan(each)).sum()) for each in delays]
    known = np.concatenate([each[~np.isnan(each)] for each in delays])
    if not len(known):
        return Estimate(None)
    of_delay = np.repeat(np.arange(len(delays)), counts)
    drawn = [
        float(np.median(np.repeat(known, row[of_delay].astype(int))))
        if row[of_delay].any()
        else math.nan
        for row in weights
    ]
    return Estimate(float(np.median(known)), *bootstrap.interval(np.array(drawn)))


def _conditions(
    recordings: Sequence[AnnotatedRecording],
    decision: DecisionSpec,
    thresholds: Sequence[float | None],
    weights: np.ndarray,
) -> tuple[ConditionFigures, ...]:
    names = {name for each in recordings for name in each.conditions if name}
    if not names:
        return ()
    found: list[list[np.ndarray]] = []
    for threshold in (decision.onset_threshold, *thresholds):
        if threshold is None:
            found.append([np.zeros(len(each.reference), bool) for each in recordings])
            continue
        at = alarm_curve.with_threshold(decision, threshold)
        found.append(
            [
                alarm_curve.is_found(each.reference, each.found(at))
                for each in recordings
            ]
        )
    made = []
    for name in sorted(names, key=_by_number):
        is_here = [
            np.array([each == name for each in recording.conditions], bool)
            for recording in recordings
        ]
        bouts = np.array([here.sum() for here in is_here], np.float64)
        # Draws of the one recording that has the condition would all agree.
        weights_here = weights if (bouts > 0).sum() > 1 else weights[:0]
        recalls = []
        for at_threshold in found:
            hits = np.array(
                [
                    (hit & here).sum()
                    for hit, here in zip(at_threshold, is_here, strict=True)
                ],
                np.float64,
            )
            drawn_bouts = weights_here @ bouts
            drawn = np.where(
                drawn_bouts > 0,
                weights_here @ hits / np.maximum(drawn_bouts, 1),
                np.nan,
            )
            recalls.append(
                Estimate(float(hits.sum() / bouts.sum()), *bootstrap.interval(drawn))
            )
        made.append(
            ConditionFigures(name, int(bouts.sum()), recalls[0], tuple(recalls[1:]))
        )
    return tuple(made)


def _by_number(name: str) -> tuple[float, str]:
    """Orders 20, 10, 5, 0 from the highest, and words after them."""
    try:
        return -float(name), name
    except ValueError:
        return math.inf, name
