from __future__ import annotations

import numpy as np
import pytest

from cry_lite.detector import Analysis
from cry_lite.events import Event
from cry_lite.text_report import analysis_lines, clock, duration


def analysis(duration_s=5.0, events=(), notes=(), cry=None) -> Analysis:
    cry = cry or (0.97 if events else 0.03)
    scores = np.array([1 - cry, cry], np.float32)
    return Analysis(
        path="a.wav",
        duration_s=duration_s,
        source_sample_rate_hz=16_000,
        sample_rate_hz=16_000,
        labels=("no_cry", "cry"),
        windows=np.array([[0.0, duration_s]]),
        scores=scores[None],
        label="cry" if events else "no_cry",
        clip_scores=scores,
        events=events,
        notes=notes,
    )


def event(start_s, end_s) -> Event:
    return Event(start_s=start_s, end_s=end_s, label="cry", peak=0.99, mean=0.9)


def test_a_parent_reads_when_there_was_crying(spec):
    lines = analysis_lines(analysis(events=(event(0.0, 5.0),)), spec)
    assert lines == [
        "a.wav: 5 s, 1 crying episode, 5 s in all",
        "  crying 0.0-5.0 s (peak 0.99)",
    ]


def test_a_night_is_summed_up_in_one_line(spec):
    events = (event(10.0, 30.5), event(60.0, 70.5))
    lines = analysis_lines(analysis(358.0, events), spec)
    assert lines[0] == "a.wav: 6 min, 2 crying episodes, 31 s in all"


def test_a_parent_reads_that_there_was_none(spec):
    assert analysis_lines(analysis(), spec) == [
        "a.wav: 5 s, no crying (score 0.03, threshold 0.50)"
    ]


def test_a_high_score_below_the_threshold_reads_as_no_crying(spec):
    strict = spec.replace(decision=spec.decision.replace(onset_threshold=0.95))
    assert analysis_lines(analysis(cry=0.68), strict) == [
        "a.wav: 5 s, no crying (score 0.68, threshold 0.95)"
    ]
    # Rounded to two digits the two would look the same.
    (line,) = analysis_lines(analysis(cry=0.9496), strict)
    assert line == "a.wav: 5 s, no crying (score 0.9496, threshold 0.9500)"


def test_a_long_sound_has_clock_times(spec):
    lines = analysis_lines(analysis(7200.0, (event(3723.0, 3740.46),)), spec)
    assert lines[0] == "a.wav: 2.0 h, 1 crying episode, 17 s in all"
    assert lines[1] == "  crying 1:02:03.0-1:02:20.5 (peak 0.99)"


def test_notes_stand_below(spec):
    assert analysis_lines(analysis(notes=("it rains",)), spec)[-1] == "  note: it rains"


def test_a_reason_is_named_by_its_label(spec):
    reason = spec.replace(task="reason", positive_label=None)
    lines = analysis_lines(analysis(events=(event(0.0, 5.0),)), reason)
    assert lines[1] == "  cry 0.0-5.0 s (peak 0.99)"
    assert lines[0] == "a.wav: 5 s, cry 0.97"
    assert analysis_lines(analysis(), reason) == [
        "a.wav: 5 s, no clear reason (highest: no_cry 0.97)"
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0:00:00.0"),
        (59.96, "0:01:00.0"),
        (3599.9, "0:59:59.9"),
        (36_000, "10:00:00.0"),
    ],
)
def test_a_clock_never_shows_sixty_seconds(seconds, text):
    assert clock(seconds) == text


def test_a_length_is_in_seconds_below_a_minute():
    assert duration(0.1) == "0.1 s"
    assert duration(61.0) == "0:01:01.0"
