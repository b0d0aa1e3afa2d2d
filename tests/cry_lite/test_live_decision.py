from __future__ import annotations

import numpy as np
import pytest

from cry_lite.decision import find_events
from cry_lite.live_decision import LiveDecision
from cry_lite.spec import DecisionSpec


def begun(decision: DecisionSpec, scores: np.ndarray) -> list[float]:
    """Starts of the events that began, told window by window."""
    live, starts = LiveDecision(decision), []
    for index, score in enumerate(scores.tolist()):
        start_s = index * decision.hop_s
        was_crying = live.is_crying
        if live.add(start_s, start_s + decision.window_s, score) and not was_crying:
            assert live.start_s is not None
            starts.append(live.start_s)
    return starts


@pytest.mark.parametrize("smoothing_windows", [1, 3, 5])
@pytest.mark.parametrize("min_event_s", [0.0, 2.5])
@pytest.mark.parametrize("confirmation_s", [0.0, 2.0])
@pytest.mark.parametrize("max_gap_s", [0.0, 1.5, 4.0])
def test_the_same_events_begin_as_on_the_whole_recording(
    spec, rng, smoothing_windows, min_event_s, confirmation_s, max_gap_s
):
    count = 0
    for hop_s in (0.5, 1.0):
        decision = DecisionSpec(
            window_s=2.0,
            hop_s=hop_s,
            smoothing_windows=smoothing_windows,
            min_event_s=min_event_s,
            confirmation_s=confirmation_s,
            max_gap_s=max_gap_s,
        )
        scores = np.repeat(rng.random(300), rng.integers(1, 6, 300))
        scores = np.concatenate([scores, np.zeros(20)])  # until all is over
        starts = np.arange(len(scores)) * hop_s
        expected = find_events(
            starts,
            starts + 2.0,
            np.stack([1 - scores, scores], axis=1),
            spec.replace(decision=decision),
            float(starts[-1] + 2.0),
        )
        np.testing.assert_allclose(
            begun(decision, scores), [event.start_s for event in expected]
        )
        count += len(expected)
    assert count > 20


def test_an_event_begins_when_it_is_confirmed_and_ends_after_the_gap():
    live = LiveDecision(
        DecisionSpec(window_s=1.0, hop_s=1.0, confirmation_s=2.0, max_gap_s=2.0)
    )
    told = [
        live.add(second, second + 1.0, score)
        for second, score in enumerate([0, 0.9, 0.9, 0.45, 0, 0.9, 0, 0, 0.9])
    ]
    assert told == [False, False, True, True, True, True, True, False, False]
    assert live.start_s == 8.0


def test_windows_far_apart_share_the_time_between_them_as_in_a_recording():
    live = LiveDecision(DecisionSpec(window_s=1.0, hop_s=1.0))
    assert live.add(0.0, 1.0, 0.9)
    assert live.add(60.0, 61.0, 0.9)
    assert live.start_s == 0.0


def test_silence_is_never_crying():
    live = LiveDecision(DecisionSpec(onset_threshold=0.5, smoothing_windows=3))
    assert not any(live.add(second, second + 3.0, 0.0) for second in range(100))
    assert live.start_s is None
