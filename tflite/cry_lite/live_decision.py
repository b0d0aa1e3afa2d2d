"""Follows a detector's events while the sound still arrives, window by window.

The rule is that of `cry_lite.decision`, which needs the whole recording; here each
step is taken as soon as its windows are there. So an event begins when it is
confirmed and long enough, and it ends when it can no longer be continued: after the
median's half width, and after `max_gap_s`. On a whole recording the events that
begin are those of `find_events`, but for what the last windows decide: the median
still waits for windows that do not come, and the last cell reaches the end.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from cry_lite.decision import TIME_TOLERANCE_S
from cry_lite.spec import DecisionSpec


class _Window(NamedTuple):
    start_s: float
    end_s: float
    score: float

    @property
    def centre_s(self) -> float:
        return (self.start_s + self.end_s) / 2


class LiveDecision:
    """Says whether a baby cries now, by the scores of successive windows.

    Args:
        decision: Thresholds, smoothing, confirmation and lengths.

    Attributes:
        is_crying: Whether an event is going on: confirmed, and not yet over.
        start_s: Where the event that goes on started, seconds; None if none does.

    Example:
        >>> live = LiveDecision(spec.decision)
        >>> for start_s, end_s, score in scored_windows:
        ...     was_crying, is_crying = live.is_crying, live.add(start_s, end_s, score)
        ...     if is_crying and not was_crying:
        ...         print(f"crying since {live.start_s:.1f} s")
    """

    def __init__(self, decision: DecisionSpec) -> None:
        self.is_crying = False
        self.start_s: float | None = None
        self._decision = decision
        self._half = decision.smoothing_windows // 2
        # The windows under the median, and one before the centre for the cell.
        self._windows: deque[_Window] = deque(maxlen=2 * self._half + 2)
        self._count = 0
        self._is_open = False
        self._end_s = 0.0  # of the last run of cells
        self._high_since_s: float | None = None
        self._is_confirmed = False

    def add(self, start_s: float, end_s: float, score: float) -> bool:
        """Takes the next window and returns `is_crying`.

        Args:
            start_s: Start of the window, seconds, later than the last one's.
            end_s: End of the window, seconds.
            score: Of the positive label.
        """
        self._windows.append(_Window(start_s, end_s, score))
        self._count += 1
        if self._count > self._half:
            self._decide()
        return self.is_crying

    def _decide(self) -> None:
        """Takes one more cell: that of the window half a median ago."""
        windows = list(self._windows)
        place = len(windows) - 1 - self._half
        near = windows[max(0, place - self._half) :]
        scores = sorted(window.score for window in near)
        self._take(*self._cell(windows, place), scores[(len(scores) - 1) // 2])

    def _cell(self, windows: list[_Window], place: int) -> tuple[float, float]:
        """Returns the edges of a window's cell; the newest ends where it should."""
        window = windows[place]
        if place == 0:
            first_s = window.start_s
        else:
            first_s = (windows[place - 1].centre_s + window.centre_s) / 2
        if place + 1 < len(windows):
            return first_s, (window.centre_s + windows[place + 1].centre_s) / 2
        return first_s, window.centre_s + self._decision.hop_s / 2

    def _take(self, first_s: float, last_s: float, score: float) -> None:
        rule = self._decision
        is_high = score >= rule.onset_threshold
        if not is_high:
            self._high_since_s = None
        elif self._high_since_s is None:
            self._high_since_s = first_s
        if is_high or (self._is_open and score >= rule.offset_threshold):
            if not self._continues(first_s):
                self.start_s, self._is_confirmed, self.is_crying = first_s, False, False
            self._is_open, self._end_s = True, last_s
        else:
            self._is_open = False
        if self.start_s is None:
            return
        if not self._is_open and not self._continues(last_s):
            self.start_s, self.is_crying = None, False
            return
        if is_high and self._high_since_s is not None:
            high_s = last_s - self._high_since_s
            if high_s >= rule.confirmation_s - TIME_TOLERANCE_S:
                self._is_confirmed = True
        long_enough = self._end_s - self.start_s >= rule.min_event_s - TIME_TOLERANCE_S
        self.is_crying = self._is_confirmed and long_enough

    def _continues(self, at_s: float) -> bool:
        """Whether a run that starts now still belongs to the event."""
        if self.start_s is None:
            return False
        gap_s = at_s - self._end_s
        return self._is_open or gap_s < self._decision.max_gap_s - TIME_TOLERANCE_S
