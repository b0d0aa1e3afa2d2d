"""Finds the setting of a detector that keeps to a budget of false alarms.

Ambient recordings, without crying, say how often a setting raises a false alarm;
recordings of crying, where there are some, how many of them it detects. Each event of
`cry_lite.decision` is an alarm, and another one after every minute that it goes on:
else a threshold so low that the event never ends would have the fewest. Models take no
part: this works on scores.

With cries, every setting of a grid is tried: onset and offset threshold, smoothing,
confirmation and shortest event. Of those within the budget the one is chosen that
detects the most cries; of equals the one with the fewest false alarms; of those the one
in the middle of the widest range of onset thresholds, in logits, that are equally good,
where each second of delay costs one logit. Without cries nothing says what a change
loses: the onset threshold is raised as far as the budget needs, and no further, with
the offset threshold in proportion. Only where the highest threshold is not enough, a
longer confirmation is asked for as well.

What T hours can show: the number of false alarms is taken as Poisson distributed, so
none in T hours means, with 95 % confidence, a rate of at most 3/T an hour. The chosen
setting is the best one on these recordings; on others it will be a little worse.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from cry_lite.decision import (
    TIME_TOLERANCE_S,
    cell_edges,
    find_label_events,
    smooth,
)
from cry_lite.events import Event
from cry_lite.spec import DecisionSpec
from cry_lite.text_report import rough_duration

REPEAT_S = 60.0
"""An event alarms when it starts, and again after each of these that it goes on."""

CRY = "cry"
"""The label of the events found here."""

# What the search tries, besides the values of the model.
_LOGITS = np.arange(-2.2, 9.01, 0.2)  # 0.0998 to 0.9999
_OFFSET_SHARES = (0.5, 0.8, 1.0)
_SMOOTHING = (1, 3, 5)
_CONFIRMATIONS_S = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)
_SHORTEST_S = (0.0, 2.0, 3.0, 5.0, 8.0)
_THRESHOLD_DIGITS = 4
# What a second of delay is worth in the choice among equals, logits.
_LOGITS_A_SECOND = 1.0
_DOUBT = 0.05  # 95 % confidence
# A stretch that looks like crying for so long is not taken for a false alarm.
_CRY_STRETCH_S, _SURE_SCORE, _SURE_SMOOTHING = 8.0, 0.8, 3
_MOST_NAMED = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoredRecording:
    """A recording as a detector sees it.

    Attributes:
        name: To name it in a message.
        duration_s: Length, seconds, above 0.
        starts_s: Float64 `(windows,)`, increasing, starts of the windows, seconds.
        ends_s: Float64 `(windows,)`, increasing, their ends, seconds.
        scores: Float64 `(windows,)` in [0, 1], of the positive label.

    Raises:
        ValueError: If the shapes disagree, there is no window, the times do not
            increase, or a score is not finite.
    """

    name: str
    duration_s: float
    starts_s: np.ndarray
    ends_s: np.ndarray
    scores: np.ndarray

    def __post_init__(self) -> None:
        """Takes lists too, and checks all."""
        for name in ("starts_s", "ends_s", "scores"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), np.float64))
        shapes = {array.shape for array in (self.starts_s, self.ends_s, self.scores)}
        if len(shapes) > 1 or self.scores.ndim != 1 or not len(self.scores):
            raise ValueError(
                f"{self.name} needs a start, an end and a score for each of at least "
                f"one window. Received: shapes {self.starts_s.shape}, "
                f"{self.ends_s.shape}, {self.scores.shape}."
            )
        if not np.isfinite(self.scores).all():
            raise ValueError(f"{self.name} has a score that is not a number.")
        steps = (np.diff(self.starts_s), np.diff(self.ends_s))
        if not all((step > 0).all() for step in steps) or not 0 < self.duration_s < (
            math.inf
        ):
            raise ValueError(
                f"The windows of {self.name} must be in order of time, and its length "
                f"above 0 s. Received: duration_s={self.duration_s}."
            )

    def events(self, decision: DecisionSpec) -> list[Event]:
        """Returns the events at a setting, as `cry-lite analyze` finds them."""
        return find_label_events(
            self.starts_s, self.ends_s, self.scores, CRY, decision, self.duration_s
        )


class NamedEvent(NamedTuple):
    """An event and the recording that it is in."""

    name: str
    event: Event

    def __str__(self) -> str:
        return (
            f"{self.name} at {self.event.start_s:.0f}-{self.event.end_s:.0f} s "
            f"(mean score {self.event.mean:.2f})"
        )


@dataclass(frozen=True, kw_only=True)
class BudgetPoint:
    """What one setting does on the recordings.

    Attributes:
        decision: The setting.
        false_alarms: Alarms in the ambient recordings.
        hours: Length of the ambient recordings.
        detected: Recordings of crying with an event, None without cries.
        cries: Recordings of crying, None without.
    """

    decision: DecisionSpec
    false_alarms: int
    hours: float
    detected: int | None = None
    cries: int | None = None

    @property
    def false_alarms_per_hour(self) -> float:
        """The rate on these recordings."""
        return self.false_alarms / self.hours

    @property
    def highest_per_hour(self) -> float:
        """The rate that is not exceeded with 95 % confidence."""
        return highest_rate(self.false_alarms, self.hours)

    @property
    def recall(self) -> float | None:
        """Share of the cries that are detected, None without cries."""
        if self.detected is None or not self.cries:
            return None
        return self.detected / self.cries

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON types."""
        return {
            "false_alarms": self.false_alarms,
            "false_alarms_per_hour": round(self.false_alarms_per_hour, 6),
            "highest_per_hour": round(self.highest_per_hour, 6),
            "detected": self.detected,
            "recall": None if self.recall is None else round(self.recall, 6),
            "earliest_alarm_s": round(earliest_alarm_s(self.decision), 3),
            "decision": self.decision.to_dict(),
        }


@dataclass(frozen=True, kw_only=True)
class AlarmChoice:
    """The setting that was chosen, and what it was chosen from.

    Attributes:
        max_per_hour: The budget, None for no false alarm in these recordings.
        hours: Length of the ambient recordings.
        recordings: Number of ambient recordings.
        chosen: The setting.
        before: The setting of the model, on the same recordings.
        curve: The best settings, from the fewest false alarms on: each detects more
            cries than the ones before; without cries, each has a lower onset.
    """

    max_per_hour: float | None
    hours: float
    recordings: int
    chosen: BudgetPoint
    before: BudgetPoint
    curve: tuple[BudgetPoint, ...]

    @property
    def is_supported(self) -> bool:
        """Whether so many hours can show that the budget is kept."""
        return self.max_per_hour is None or self.hours >= hours_needed(
            self.max_per_hour
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON types: what was chosen, the hours behind it, the curve."""
        return {
            "max_false_alarms_per_hour": self.max_per_hour,
            "ambient_hours": round(self.hours, 6),
            "ambient_recordings": self.recordings,
            "hours_needed": None
            if self.max_per_hour is None
            else round(hours_needed(self.max_per_hour), 6),
            "is_supported": self.is_supported,
            "cries": self.chosen.cries,
            "chosen": self.chosen.to_dict(),
            "before": self.before.to_dict(),
            "curve": [point.to_dict() for point in self.curve],
        }


def hours_of(recordings: Iterable[ScoredRecording]) -> float:
    """Returns the length of all recordings, hours."""
    return sum(recording.duration_s for recording in recordings) / 3600


def hours_needed(max_per_hour: float) -> float:
    """Returns the hours without a false alarm that show a rate, 95 % confidence."""
    return -math.log(_DOUBT) / max_per_hour


def highest_rate(false_alarms: int, hours: float) -> float:
    """Returns the rate an hour that is not exceeded with 95 % confidence.

    Args:
        false_alarms: Int >= 0, counted in so many hours.
        hours: Float > 0.

    Returns:
        The rate at which so few false alarms, or fewer, come with a probability of
        5 %: for none it is 3 / hours.
    """
    counts = np.arange(false_alarms + 1)
    log_factorials = np.concatenate([[0.0], np.cumsum(np.log(counts[1:]))])

    def probability(mean: float) -> float:
        terms = counts * math.log(mean) - mean - log_factorials
        return float(np.exp(terms).sum())

    low, high = 1e-9, 10.0 + false_alarms + 5.0 * math.sqrt(false_alarms + 1)
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if probability(middle) > _DOUBT else (low, middle)
    return high / hours


def earliest_alarm_s(decision: DecisionSpec) -> float:
    """Returns how long after a cry's start an alarm comes at the earliest, seconds.

    Half of the first window is the cry; the stretch that is asked for must be over,
    and with smoothing half of the median's windows come after.
    """
    hop_s = decision.hop_s
    stretch_s = max(decision.confirmation_s, decision.min_event_s, hop_s)
    whole_s = math.ceil(stretch_s / hop_s - TIME_TOLERANCE_S) * hop_s
    lag_s = decision.smoothing_windows // 2 * hop_s
    return whole_s + (decision.window_s - hop_s) / 2 + lag_s


def check_budget(max_per_hour: float) -> None:
    """Raises ValueError if a budget is no rate that hours can show."""
    if not 0 < max_per_hour < math.inf:
        raise ValueError(
            "The false alarms an hour must be above 0 and finite: no number of hours "
            f"shows that there is never one. Received: {max_per_hour}."
        )


def check_hours(hours: float, max_per_hour: float) -> None:
    """Raises if so many hours cannot show that a budget is kept.

    Raises:
        ValueError: With the hours that it takes, or as `check_budget`.
    """
    check_budget(max_per_hour)
    needed = hours_needed(max_per_hour)
    if hours < needed:
        raise ValueError(
            f"No false alarm in {_in_words(hours)} of ambient recordings shows that "
            f"there are at most {highest_rate(0, hours):.2g} an hour (95 % "
            f"confidence); to show at most {max_per_hour:g} it takes "
            f"{_in_words(needed)}."
        )


def seeming_cries(
    recordings: Iterable[ScoredRecording], decision: DecisionSpec
) -> list[NamedEvent]:
    """Returns the stretches of ambient recordings that the model takes for crying.

    They are long and sure: 8 s or more without a break, at a score of 0.8 or the
    onset threshold, whichever is higher. Somebody has to listen to them: crying there
    would be counted as a false alarm, and a threshold chosen that misses it.
    """
    threshold = max(_SURE_SCORE, decision.onset_threshold)
    sure = decision.replace(
        onset_threshold=threshold,
        offset_threshold=threshold,
        smoothing_windows=_SURE_SMOOTHING,
        min_event_s=_CRY_STRETCH_S,
        confirmation_s=_CRY_STRETCH_S,
        max_gap_s=0.0,
    )
    return [
        NamedEvent(recording.name, event)
        for recording in recordings
        for event in recording.events(sure)
    ]


def name_some(events: Sequence[NamedEvent]) -> str:
    """Returns a phrase that names the surest events."""
    surest = sorted(events, key=lambda found: -found.event.mean)
    shown = "; ".join(map(str, surest[:_MOST_NAMED]))
    rest = len(events) - _MOST_NAMED
    return f"{shown} and {rest} more" if rest > 0 else shown


def choose(
    ambient: Sequence[ScoredRecording],
    cries: Sequence[ScoredRecording],
    decision: DecisionSpec,
    max_per_hour: float | None,
) -> AlarmChoice:
    """Chooses the setting; see the module.

    Args:
        ambient: Recordings without crying, at least one.
        cries: Recordings of crying, or none.
        decision: The model's setting. Windows and gaps stay as they are.
        max_per_hour: The budget, above 0; None allows no false alarm in the ambient
            recordings, and then claims what their hours show.

    Raises:
        ValueError: If there is no ambient recording, the budget is not above 0, or
            no setting keeps to it and detects a cry.
    """
    if not ambient:
        raise ValueError("At least one ambient recording is needed. Received: none.")
    if max_per_hour is not None:
        check_budget(max_per_hour)
    hours = hours_of(ambient)
    allowed = 0
    if max_per_hour is not None:
        allowed = math.floor(max_per_hour * hours + 1e-9)
    search = _with_cries if cries else _without_cries
    chosen, curve = search(ambient, cries, decision, allowed)
    if chosen is None:
        raise ValueError(_no_setting(ambient, curve[0], allowed))
    return AlarmChoice(
        max_per_hour=max_per_hour,
        hours=hours,
        recordings=len(ambient),
        chosen=point_of(chosen.decision, ambient, cries),
        before=point_of(decision, ambient, cries),
        curve=curve,
    )


def alarms_in(recording: ScoredRecording, decision: DecisionSpec) -> int:
    """Returns how many alarms a recording raises: one an event, and one a minute."""
    return sum(
        int(alarms_of(event.end_s - event.start_s))
        for event in recording.events(decision)
    )


def point_of(
    decision: DecisionSpec,
    ambient: Sequence[ScoredRecording],
    cries: Sequence[ScoredRecording],
) -> BudgetPoint:
    """Counts the alarms and the detected cries at a setting."""
    return BudgetPoint(
        decision=decision,
        false_alarms=sum(map(alarms_in, ambient, itertools.repeat(decision))),
        hours=hours_of(ambient),
        detected=sum(bool(recording.events(decision)) for recording in cries)
        if cries
        else None,
        cries=len(cries) if cries else None,
    )


def choice_sentences(choice: AlarmChoice) -> list[str]:
    """Returns what was chosen and what the hours behind it show, in words."""
    chosen, before = choice.chosen, choice.before
    sentences = [
        f"chosen: {describe(chosen.decision)}",
        f"false alarms: {chosen.false_alarms} in {_in_words(choice.hours)} of ambient "
        f"recordings, {chosen.false_alarms_per_hour:.2g} an hour, with 95 % "
        f"confidence at most {chosen.highest_per_hour:.2g} (before: "
        f"{before.false_alarms})",
    ]
    if chosen.recall is not None:
        sentences.append(
            f"cries detected: {chosen.detected} of {chosen.cries} recordings (before: "
            f"{before.detected})"
        )
    sentences.append(
        f"an alarm comes {earliest_alarm_s(chosen.decision):.1f} s after a cry starts, "
        f"or later (before: {earliest_alarm_s(before.decision):.1f} s)"
    )
    return sentences


def describe(decision: DecisionSpec) -> str:
    """Returns a setting in words."""
    parts = [
        f"start at {decision.onset_threshold:g}",
        f"end below {decision.offset_threshold:g}",
    ]
    if decision.confirmation_s > 0:
        parts[0] += f" held for {decision.confirmation_s:g} s"
    if decision.smoothing_windows > 1:
        parts.append(f"median over {decision.smoothing_windows} windows")
    if decision.min_event_s > 0:
        parts.append(f"at least {decision.min_event_s:g} s")
    return ", ".join(parts)


def _no_setting(
    ambient: Sequence[ScoredRecording], fewest: BudgetPoint, allowed: int
) -> str:
    """Returns why nothing can be chosen, with the false alarms that are left."""
    events = [
        NamedEvent(recording.name, event)
        for recording in ambient
        for event in recording.events(fewest.decision)
    ]
    if fewest.false_alarms <= allowed:
        return (
            f"Every setting that allows at most {allowed} false alarms in "
            f"{_in_words(fewest.hours)} detects none of the {fewest.cries} cries. "
            "Train with sounds like the ambient recordings, or allow more false alarms."
        )
    return (
        f"No setting allows at most {allowed} false alarms in "
        f"{_in_words(fewest.hours)} of ambient recordings: the strictest one leaves "
        f"{fewest.false_alarms}, the surest {name_some(events)}. Remove what is "
        "crying, train with the rest, or allow more false alarms."
    )


def _with_cries(
    ambient: Sequence[ScoredRecording],
    cries: Sequence[ScoredRecording],
    decision: DecisionSpec,
    allowed: int,
) -> tuple[BudgetPoint | None, tuple[BudgetPoint, ...]]:
    """Tries all settings; returns the best one within the budget, and the curve."""
    grid = _Grid(ambient, cries, decision)
    hours, most, curve = hours_of(ambient), -1, []
    for count in np.unique(grid.false_alarms).tolist():
        detected = int(grid.detected[grid.false_alarms == count].max())
        if detected > most:
            most = detected
            curve.append(
                BudgetPoint(
                    decision=grid.middle(count, detected),
                    false_alarms=count,
                    hours=hours,
                    detected=detected,
                    cries=len(cries),
                )
            )
    fitting = [p for p in curve if p.false_alarms <= allowed and p.detected]
    return (fitting[-1] if fitting else None), tuple(curve)


def _without_cries(
    ambient: Sequence[ScoredRecording],
    _: Sequence[ScoredRecording],
    decision: DecisionSpec,
    allowed: int,
) -> tuple[BudgetPoint | None, tuple[BudgetPoint, ...]]:
    """Raises the onset threshold, then asks for a longer confirmation as well."""
    hours, chosen, points = hours_of(ambient), None, []
    longer_s = [s for s in _CONFIRMATIONS_S if s > decision.confirmation_s]
    for confirmation_s in (decision.confirmation_s, *longer_s):
        base = decision.replace(confirmation_s=confirmation_s)
        grid = _Grid(ambient, (), base, is_whole=False)
        points = [
            BudgetPoint(
                decision=grid.setting(0, place),
                false_alarms=int(grid.false_alarms[0, place]),
                hours=hours,
            )
            for place in range(len(grid.onsets))
            if grid.onsets[place] >= decision.onset_threshold
        ][::-1]  # the strictest first
        fitting = list(
            itertools.takewhile(lambda point: point.false_alarms <= allowed, points)
        )
        if fitting:
            chosen = fitting[-1]
            break
    return chosen, tuple(points)


class _Runs(NamedTuple):
    """All events at two thresholds, before those too short are dropped."""

    lengths_s: np.ndarray
    stretches_s: np.ndarray  # the longest at the onset threshold
    owners: np.ndarray  # places of their recordings, in order

    def count(
        self, lengths: Sequence[tuple[float, float]], of_recordings: bool
    ) -> np.ndarray | int:
        """Counts alarms, or recordings with one, for each of several lengths.

        Args:
            lengths: Confirmation and shortest event of each, seconds.
            of_recordings: Whether recordings are counted.

        Returns:
            Int `(lengths,)`, or 0 for all of them.
        """
        if not len(self.owners):
            return 0
        confirmed_s, shortest_s = np.array(lengths).T[..., None] - TIME_TOLERANCE_S
        is_kept = (self.stretches_s >= confirmed_s) & (self.lengths_s >= shortest_s)
        if of_recordings:
            begins = np.flatnonzero(np.diff(self.owners, prepend=-1))
            return np.logical_or.reduceat(is_kept, begins, axis=1).sum(axis=1)
        return is_kept @ alarms_of(self.lengths_s)


class _Timeline:
    """The windows of many recordings, one after the other, as arrays."""

    def __init__(self, recordings: Sequence[ScoredRecording], max_gap_s: float) -> None:
        edges = [cell_edges(r.starts_s, r.ends_s, r.duration_s) for r in recordings]
        counts = [len(r.scores) for r in recordings]
        self._scores = [r.scores for r in recordings]
        self._first_s = np.concatenate([edge[:-1] for edge in edges])
        self._last_s = np.concatenate([edge[1:] for edge in edges])
        self._owners = np.repeat(np.arange(len(recordings)), counts)
        self._begins = np.diff(self._owners, prepend=-1) > 0
        self._max_gap_s = max_gap_s

    def smoothed(self, smoothing_windows: int) -> np.ndarray:
        return np.concatenate(
            [
                smooth(scores[:, None], smoothing_windows)[:, 0]
                for scores in self._scores
            ]
        )

    def runs(self, smoothed: np.ndarray, onset: float, offset: float) -> _Runs:
        """Returns steps 2 and 3 of `cry_lite.decision`, for one label."""
        is_high = smoothed >= onset
        high_first, high_end = self._stretches(is_high)
        if not len(high_first):
            nothing = np.zeros(0)
            return _Runs(nothing, nothing, nothing.astype(int))
        first, end = self._stretches(smoothed >= offset)
        # Of each stretch above the offset, an event is what follows its first onset.
        inside = np.searchsorted(first, high_first, side="right") - 1
        opened, opening = np.unique(inside, return_index=True)
        first, end = high_first[opening], end[opened]
        gaps_s = self._first_s[first[1:]] - self._last_s[end[:-1] - 1]
        is_joined = (gaps_s < self._max_gap_s - TIME_TOLERANCE_S) & (
            self._owners[first[1:]] == self._owners[first[:-1]]
        )
        begins = np.flatnonzero(np.concatenate([[True], ~is_joined]))
        ends = np.concatenate([begins[1:], [len(first)]]) - 1
        stretches_s = self._last_s[high_end - 1] - self._first_s[high_first]
        return _Runs(
            lengths_s=self._last_s[end[ends] - 1] - self._first_s[first[begins]],
            stretches_s=np.maximum.reduceat(stretches_s, opening[begins]),
            owners=self._owners[first[begins]],
        )

    def _stretches(self, is_in: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns first and end, one past the last, of each unbroken stretch."""
        before = np.concatenate([[False], is_in[:-1]]) & ~self._begins
        after = np.concatenate([is_in[1:], [False]])
        after[:-1] &= ~self._begins[1:]
        return np.flatnonzero(is_in & ~before), np.flatnonzero(is_in & ~after) + 1


class _Grid:
    """What each of many settings does on the recordings.

    Attributes:
        onsets: Float64 `(onsets,)`, increasing, the onset thresholds.
        false_alarms: Int `(others, onsets)`, a row for each choice of the rest.
        detected: Int `(others, onsets)`, recordings of crying with an event.
    """

    def __init__(
        self,
        ambient: Sequence[ScoredRecording],
        cries: Sequence[ScoredRecording],
        decision: DecisionSpec,
        is_whole: bool = True,
    ) -> None:
        onset = decision.onset_threshold
        own_share = decision.offset_threshold / onset if onset > 0 else 1.0
        self._decision = decision
        self._smoothing = _values(decision.smoothing_windows, _SMOOTHING, is_whole)
        self._shares = _values(own_share, _OFFSET_SHARES, is_whole)
        self._lengths = _lengths(decision, is_whole)
        tried = np.round(1 / (1 + np.exp(-_LOGITS)), _THRESHOLD_DIGITS)
        self.onsets = np.unique([*tried, onset])
        timelines = [
            _Timeline(recordings, decision.max_gap_s)
            for recordings in (ambient, cries)
            if recordings
        ]
        shape = (
            (len(self._smoothing), len(self._shares))
            + (len(self._lengths), len(self.onsets))
        )  # fmt: skip
        counts = np.zeros((2, *shape), np.int32)
        for s, smoothing in enumerate(self._smoothing):
            smoothed = [timeline.smoothed(smoothing) for timeline in timelines]
            for f, share in enumerate(self._shares):
                for o, onset in enumerate(self.onsets.tolist()):
                    offset = _offset(onset, share)
                    for kind, timeline in enumerate(timelines):
                        runs = timeline.runs(smoothed[kind], onset, offset)
                        counts[kind, s, f, :, o] = runs.count(
                            self._lengths, of_recordings=kind == 1
                        )
        self.false_alarms, self.detected = counts.reshape(2, -1, len(self.onsets))
        self._delays_s = [
            earliest_alarm_s(self.setting(other, 0))
            for other in range(len(self.false_alarms))
        ]

    def setting(self, other: int, place: int) -> DecisionSpec:
        """Returns a setting by its place in the arrays."""
        shape = (len(self._smoothing), len(self._shares), len(self._lengths))
        s, f, k = np.unravel_index(other, shape)
        onset = float(self.onsets[place])
        confirmation_s, min_event_s = self._lengths[k]
        return self._decision.replace(
            onset_threshold=onset,
            offset_threshold=_offset(onset, self._shares[f]),
            smoothing_windows=self._smoothing[s],
            confirmation_s=confirmation_s,
            min_event_s=min_event_s,
        )

    def middle(self, false_alarms: int, detected: int) -> DecisionSpec:
        """Returns the setting in the middle of the widest range; see the module."""
        is_equal = (self.false_alarms == false_alarms) & (self.detected == detected)
        within = np.clip(self.onsets, 1e-6, 1 - 1e-6)
        logits = np.log(within / (1 - within))
        best, chosen = -math.inf, (0, 0)
        for other in np.flatnonzero(is_equal.any(axis=1)).tolist():
            places = np.flatnonzero(is_equal[other])
            for stretch in np.split(places, np.flatnonzero(np.diff(places) > 1) + 1):
                low, high = logits[stretch[0]], logits[stretch[-1]]
                worth = high - low - _LOGITS_A_SECOND * self._delays_s[other]
                if worth > best:
                    nearest = np.abs(logits[stretch] - (low + high) / 2).argmin()
                    best, chosen = worth, (other, int(stretch[nearest]))
        return self.setting(*chosen)


def _values(own: Any, others: Sequence[Any], is_whole: bool) -> list[Any]:
    """Returns what is tried, the model's own value first: of equals it is taken."""
    return [own, *(other for other in others if is_whole and other != own)]


def _lengths(decision: DecisionSpec, is_whole: bool) -> list[tuple[float, float]]:
    """Returns the confirmations with the shortest events that are worth trying."""
    own = (decision.confirmation_s, decision.min_event_s)
    confirmations_s = _values(own[0], _CONFIRMATIONS_S, is_whole)
    shortest_s = _values(own[1], _SHORTEST_S, is_whole)
    pairs = [
        (confirmation_s, min_event_s)
        for confirmation_s, min_event_s in itertools.product(
            confirmations_s, shortest_s
        )
        # A confirmed event is at least as long as its confirmation.
        if not 0 < min_event_s <= confirmation_s
    ]
    return pairs if own in pairs else [own, *pairs]


def alarms_of(lengths_s: Any) -> Any:
    """Returns how many alarms events of these lengths (seconds) raise, ints >= 1."""
    times = np.ceil(lengths_s / REPEAT_S - TIME_TOLERANCE_S).astype(int)
    return np.maximum(times, 1)


def _offset(onset: float, share: float) -> float:
    return min(onset, round(share * onset, _THRESHOLD_DIGITS))


def _in_words(hours: float) -> str:
    return rough_duration(3600 * hours)
