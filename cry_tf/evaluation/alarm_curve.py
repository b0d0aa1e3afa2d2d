"""Recall of crying against false alarms an hour, at every threshold.

The reference is *bouts*: annotated cries with the pauses between them, as a parent
would count crying. What a detector does is counted as a monitor would do it:

- It alarms at the start of each event, and again every `REPEAT_S` while the event goes
  on. So an event that never ends is no way to a perfect figure.
- An alarm within `TOLERANCE_S` of a bout is right, any other is a false alarm. False
  alarms are counted an hour of the time farther than that from every bout.
- A bout is found if an event comes within `TOLERANCE_S` of it.

Events are those of `cry_lite.decision`. Along the curve the onset threshold
moves, and the offset threshold keeps its share of it.

Intervals are from draws of whole recordings; in each draw the threshold for a rate is
chosen anew. No false alarm in T hours does not prove a rate of 0: with 95 % confidence
it is below 3 / T (the exact factor is -ln 0.05).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cry_lite.alarm_budget import (
    REPEAT_S,
    ScoredRecording,
    alarms_of,
    highest_rate,
)
from cry_lite.decision import smooth
from cry_lite.live_decision import LiveDecision
from cry_lite.spec import DecisionSpec
from cry_tf.evaluation import bootstrap
from cry_tf.evaluation.figures import Estimate

MERGE_GAP_S = 5.0
TOLERANCE_S = 2.0
RATES_PER_HOUR = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_MOST_THRESHOLDS = 300


@dataclass(frozen=True, kw_only=True, eq=False)
class AnnotatedRecording:
    """A scored recording, and when there is crying in it.

    Attributes:
        scored: The recording as the detector sees it.
        reference: Float64 `(bouts, 2)`: start and end of the crying, seconds, in
            order of time, without overlap. None of it: a recording without crying.
        conditions: Of each bout, under which condition it is listed ("" for none).
    """

    scored: ScoredRecording
    reference: np.ndarray
    conditions: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of the recording."""
        return self.scored.name

    @property
    def duration_s(self) -> float:
        """Its length, seconds."""
        return self.scored.duration_s

    def found(self, decision: DecisionSpec) -> np.ndarray:
        """Returns start and end of the detected events, float64 `(events, 2)`."""
        events = [(e.start_s, e.end_s) for e in self.scored.events(decision)]
        return np.array(events, np.float64).reshape(-1, 2)


@dataclass(frozen=True)
class AlarmPoint:
    """What a detector does at one threshold.

    Attributes:
        threshold: Onset threshold; None if it lies above every score.
        recall: Share of the bouts that are found, with its interval.
        false_alarms: Number of false alarms.
        false_alarms_per_hour: The same an hour without crying, with its interval. If
            there is no false alarm, `low` is 0 and `high` the bound of 3 / T.
    """

    threshold: float | None
    recall: Estimate
    false_alarms: int
    false_alarms_per_hour: Estimate


@dataclass(frozen=True, eq=False)
class AlarmCurve:
    """Counts of every recording at every threshold.

    Attributes:
        thresholds: Float64 `(thresholds,)`, falling. The first finds nothing.
        bouts: Int `(recordings,)`.
        found: Int `(recordings, thresholds)`, bouts that are found.
        false_alarms: Int `(recordings, thresholds)`.
        hours: Float64 `(recordings,)`, hours in which an alarm is false.
        weights: Float64 `(draws, recordings)` of the bootstrap; no draw, and so no
            interval, with a single recording.
    """

    thresholds: np.ndarray
    bouts: np.ndarray
    found: np.ndarray
    false_alarms: np.ndarray
    hours: np.ndarray
    weights: np.ndarray

    @property
    def recalls(self) -> np.ndarray:
        """Share of the bouts found at each threshold; NaN without a bout."""
        return _ratio(self.found.sum(axis=0), self.bouts.sum())

    @property
    def rates(self) -> np.ndarray:
        """False alarms an hour at each threshold; NaN without time for them."""
        return _ratio(self.false_alarms.sum(axis=0), self.hours.sum())

    @functools.cached_property
    def _drawn(self) -> tuple[np.ndarray, np.ndarray]:
        """Recalls and rates of each draw, `(draws, thresholds)` both."""
        bouts, hours = self.weights @ self.bouts, self.weights @ self.hours
        return (
            _ratio(self.weights @ self.found, bouts[:, None]),
            _ratio(self.weights @ self.false_alarms, hours[:, None]),
        )

    def at_rate(self, rate: float) -> AlarmPoint:
        """Returns the best recall with at most `rate` false alarms an hour.

        The threshold is chosen on these recordings, so the figure is what the detector
        could do here, and not what a threshold chosen elsewhere will do.
        """
        rates, recalls = self.rates, self.recalls
        allowed = np.flatnonzero(rates <= rate)
        if not len(allowed) or np.isnan(recalls).any():
            return AlarmPoint(None, Estimate(None), 0, Estimate(None))
        best = int(allowed[recalls[allowed] == recalls[allowed].max()][0])
        drawn_recalls, drawn_rates = self._drawn
        reached = np.where(drawn_rates <= rate, drawn_recalls, -np.inf).max(axis=1)
        reached = np.where(np.isfinite(reached), reached, np.nan)
        return self._point(best, bootstrap.interval(reached))

    def at_threshold(self, place: int) -> AlarmPoint:
        """Returns the figures at `thresholds[place]`."""
        recalls, _ = self._drawn
        return self._point(place, bootstrap.interval(recalls[:, place]))

    def band(self, rates: Sequence[float] | np.ndarray) -> np.ndarray:
        """Returns low and high recall at each rate, NaN where unknown, `(rates, 2)`."""
        recalls = [self.at_rate(float(rate)).recall for rate in rates]
        return np.array(
            [
                (np.nan, np.nan) if each.low is None else (each.low, each.high)
                for each in recalls
            ]
        )

    def _point(
        self, place: int, recall: tuple[float | None, float | None]
    ) -> AlarmPoint:
        rate, hours = self.rates[place], float(self.hours.sum())
        alarms = int(self.false_alarms[:, place].sum())
        _, drawn_rates = self._drawn
        low, high = bootstrap.interval(drawn_rates[:, place])
        if not alarms and hours:
            low, high = 0.0, highest_rate(0, hours)
        threshold = float(self.thresholds[place])
        return AlarmPoint(
            threshold if math.isfinite(threshold) else None,
            Estimate(_number(self.recalls[place]), *recall),
            alarms,
            Estimate(_number(rate), low, high),
        )


def merge(events: np.ndarray, gap_s: float) -> np.ndarray:
    """Joins events with less than `gap_s` between them; overlapping ones always.

    Args:
        events: Floats `(events, 2)`, start and end, in any order.
        gap_s: Float >= 0; 0 joins what overlaps or touches.
    """
    merged: list[list[float]] = []
    for start, end in sorted(np.asarray(events, np.float64).reshape(-1, 2).tolist()):
        if merged and (start <= merged[-1][1] or start - merged[-1][1] < gap_s):
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    return np.array(merged, np.float64).reshape(-1, 2)


def is_found(
    reference: np.ndarray, found: np.ndarray, tolerance_s: float = TOLERANCE_S
) -> np.ndarray:
    """Returns for each bout whether an event comes near it, bool `(bouts,)`."""
    starts, ends = reference[:, 0] - tolerance_s, reference[:, 1] + tolerance_s
    is_near = (found[:, None, 0] < ends) & (found[:, None, 1] > starts)
    return np.any(is_near, axis=0)


def count_false_alarms(
    reference: np.ndarray,
    found: np.ndarray,
    tolerance_s: float = TOLERANCE_S,
) -> int:
    """Counts the alarms that are near no bout; see the module."""
    count = 0
    for start, end in found.tolist():
        alarms = start + REPEAT_S * np.arange(alarms_of(end - start))[:, None]
        is_right = (alarms >= reference[:, 0] - tolerance_s) & (
            alarms <= reference[:, 1] + tolerance_s
        )
        count += int((~is_right.any(axis=1)).sum())
    return count


def hours_without(
    reference: np.ndarray, duration_s: float, tolerance_s: float = TOLERANCE_S
) -> float:
    """Returns the hours farther than the tolerance from every bout."""
    wide = merge(reference + np.array([-tolerance_s, tolerance_s]), 0.0)
    near_s = np.diff(np.clip(wide, 0, duration_s)).sum()
    return float(max(duration_s - near_s, 0)) / 3600


def with_threshold(decision: DecisionSpec, threshold: float) -> DecisionSpec:
    """Returns a detector's settings with another onset threshold.

    The offset threshold keeps its share of it.
    """
    share = (
        decision.offset_threshold / decision.onset_threshold
        if decision.onset_threshold
        else 1.0
    )
    return decision.replace(
        onset_threshold=threshold, offset_threshold=threshold * share
    )


def thresholds_of(
    recordings: Sequence[AnnotatedRecording],
    decision: DecisionSpec,
    most: int = _MOST_THRESHOLDS,
) -> np.ndarray:
    """Returns the scores at which the figures can change, falling.

    These are the scores of the windows after smoothing. If there are too many, half
    are the highest without crying, where false alarms are few; the others are spread
    evenly among those of the crying.

    Args:
        recordings: The scored recordings.
        decision: Settings of the detector.
        most: Number of thresholds, at most.
    """
    crying, quiet = [], []
    for recording in recordings:
        scored = recording.scored
        smoothed = smooth(scored.scores[:, None], decision.smoothing_windows)[:, 0]
        centres = (scored.starts_s + scored.ends_s) / 2
        reference = recording.reference
        near = (centres[:, None] >= reference[:, 0] - TOLERANCE_S) & (
            centres[:, None] <= reference[:, 1] + TOLERANCE_S
        )
        crying.append(smoothed[near.any(axis=1)])
        quiet.append(smoothed[~near.any(axis=1)])
    of_crying, of_quiet = (np.unique(np.concatenate(each)) for each in (crying, quiet))
    every = np.union1d(of_crying, of_quiet)
    if len(every) > most:
        highest = of_quiet[-most // 2 :]
        # One just above the highest score without crying is among those of the crying,
        # if there is any.
        places = np.linspace(0, len(of_crying) - 1, most - len(highest))
        spread = of_crying[places.round().astype(int)] if len(of_crying) else highest
        above = of_crying[of_crying > of_quiet[-1]][:1] if len(of_quiet) else []
        every = np.unique(np.concatenate([highest, spread, above]))
    return every[::-1]


def alarm_curve(
    recordings: Sequence[AnnotatedRecording],
    decision: DecisionSpec,
    thresholds: np.ndarray | None = None,
    seed: int = 0,
) -> AlarmCurve:
    """Counts what a detector does at every threshold.

    Args:
        recordings: At least one.
        decision: Settings of the detector; its own threshold is one of the curve's.
        thresholds: Onset thresholds in [0, 1]. Default: `thresholds_of`.
        seed: Seed of the draws of recordings.

    Raises:
        ValueError: If there is no recording.
    """
    if not recordings:
        raise ValueError("A curve takes at least one recording. Received: none.")
    if thresholds is None:
        thresholds = thresholds_of(recordings, decision)
    own = decision.onset_threshold
    thresholds = np.union1d(thresholds, [own])[::-1].astype(np.float64)
    size = (len(recordings), len(thresholds) + 1)
    found, alarms = np.zeros(size, np.int64), np.zeros(size, np.int64)
    for place, threshold in enumerate(thresholds, start=1):
        at = with_threshold(decision, float(threshold))
        for row, recording in enumerate(recordings):
            events = recording.found(at)
            found[row, place] = is_found(recording.reference, events).sum()
            alarms[row, place] = count_false_alarms(recording.reference, events)
    names = [recording.name for recording in recordings]
    return AlarmCurve(
        thresholds=np.concatenate([[np.inf], thresholds]),
        bouts=np.array([len(recording.reference) for recording in recordings]),
        found=found,
        false_alarms=alarms,
        hours=np.array(
            [hours_without(each.reference, each.duration_s) for each in recordings]
        ),
        weights=bootstrap.group_weights(
            names, draws=bootstrap.DRAWS if len(names) > 1 else 0, seed=seed
        ),
    )


def alarm_delays(recording: AnnotatedRecording, decision: DecisionSpec) -> np.ndarray:
    """Returns for each bout how long after its start an alarm sounds on a device.

    A device alarms when it has scored the window that confirms the event, see
    `cry_lite.live_decision`; so a window's length is part of the delay.

    Args:
        recording: A scored recording.
        decision: Settings of the detector, with the threshold to use.

    Returns:
        Float64 `(bouts,)`, seconds; NaN for a bout without an alarm. 0 if the alarm
        of an earlier event goes on.
    """
    scored = recording.scored
    live = LiveDecision(decision)
    spans: list[list[float]] = []
    for start_s, end_s, score in zip(
        scored.starts_s.tolist(),
        scored.ends_s.tolist(),
        scored.scores.tolist(),
        strict=True,
    ):
        was_crying = live.is_crying
        if live.add(start_s, end_s, score):
            if not was_crying:
                spans.append([end_s, end_s])
            spans[-1][1] = end_s
    delays = np.full(len(recording.reference), np.nan)
    for row, (start_s, end_s) in enumerate(recording.reference.tolist()):
        # A window reaches beyond the end of the cry that it contains.
        latest_s = end_s + TOLERANCE_S + decision.window_s
        for sounds_s, ends_s in spans:
            if ends_s >= start_s and sounds_s <= latest_s:
                delays[row] = max(sounds_s - start_s, 0.0)
                break
    return delays


def onset_delays(reference: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Returns how long after the start of each bout the event is placed that finds it.

    Args:
        reference: Floats `(bouts, 2)`.
        found: Floats `(events, 2)`.

    Returns:
        Float64 `(bouts,)`, seconds; negative if the event is placed a little before the
        bout, 0 if an event of long before goes on, NaN if no event finds it.
    """
    delays = np.full(len(reference), np.nan)
    for row, bout in enumerate(reference):
        near = [event for event in found if is_found(bout[None], event[None])[0]]
        if near:
            delay_s = near[0][0] - bout[0]
            delays[row] = delay_s if delay_s >= -TOLERANCE_S else 0.0
    return delays


def _ratio(part: np.ndarray, whole: np.ndarray | float) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.asarray(whole) > 0, np.asarray(part) / whole, np.nan)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
