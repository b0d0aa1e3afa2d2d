import math

import numpy as np
import pytest

from cry_lite.alarm_budget import ScoredRecording, alarms_of
from cry_lite.spec import DecisionSpec
from cry_tf.evaluation import alarm_curve as curves
from cry_tf.evaluation.alarm_curve import AnnotatedRecording

DECISION = DecisionSpec(
    window_s=1.0, hop_s=1.0, onset_threshold=0.5, offset_threshold=0.25
)
NONE = np.zeros((0, 2))


def recording(scores, reference=NONE, name="a"):
    starts = np.arange(len(scores), dtype=np.float64)
    return AnnotatedRecording(
        scored=ScoredRecording(
            name=name,
            duration_s=float(len(scores)),
            starts_s=starts,
            ends_s=starts + 1,
            scores=np.asarray(scores),
        ),
        reference=np.asarray(reference, np.float64).reshape(-1, 2),
    )


def test_events_with_a_short_gap_are_one_bout():
    events = np.array([[8.0, 9.0], [0.0, 1.0], [3.0, 4.0], [3.5, 5.0]])
    merged = curves.merge(events, 3.0)
    np.testing.assert_array_equal(merged, [[0, 5], [8, 9]])
    np.testing.assert_array_equal(
        curves.merge(events, 0.0), [[0, 1], [3, 5], [8, 9]]
    )  # a gap of exactly the limit, and none at all, part two events


def test_an_event_near_a_bout_finds_it():
    bouts = np.array([[10.0, 20.0], [40.0, 50.0]])
    assert curves.is_found(bouts, np.array([[7.0, 8.5]])).tolist() == [True, False]
    assert curves.is_found(bouts, np.array([[5.0, 8.0]])).tolist() == [False, False]
    assert curves.is_found(bouts, np.array([[0.0, 90.0]])).tolist() == [True, True]


def test_an_event_that_never_ends_alarms_again_each_minute():
    bouts = np.array([[100.0, 130.0]])
    always = np.array([[0.0, 600.0]])
    # At 0, 60, ..., 540; the one at 120 is right.
    assert curves.count_false_alarms(bouts, always) == 9
    assert curves.count_false_alarms(NONE, always) == 10
    assert curves.count_false_alarms(bouts, np.array([[99.0, 140.0]])) == 0
    assert curves.count_false_alarms(bouts, np.array([[97.0, 140.0]])) == 1


def test_false_alarms_are_counted_on_the_time_without_crying():
    bouts = np.array([[1.0, 4.0], [7.0, 10.0]])
    hours = curves.hours_without(bouts, 3612.0)
    assert hours == pytest.approx((3612 - 12) / 3600)  # 2 s around each, from 0


def test_the_offset_threshold_moves_with_the_onset_threshold():
    moved = curves.with_threshold(DECISION, 0.8)
    assert (moved.onset_threshold, moved.offset_threshold) == (0.8, 0.4)


def test_the_curve_counts_what_every_threshold_does():
    scores = np.full(1000, 0.1)
    scores[100:110] = 0.9  # a bout that is found
    scores[300:310] = 0.3  # one that is missed at the model's threshold
    scores[600] = 0.7  # a false alarm
    curve = curves.alarm_curve([recording(scores, [[100, 110], [300, 310]])], DECISION)

    assert curve.thresholds.tolist() == [math.inf, 0.9, 0.7, 0.5, 0.3, 0.1]
    assert curve.recalls.tolist() == [0, 0.5, 0.5, 0.5, 1, 1]
    # At the lowest, one event of 1,000 s: an alarm a minute, one of them right.
    assert curve.false_alarms.sum(axis=0).tolist() == [0, 0, 1, 1, 1, 16]


def test_the_recall_at_a_rate_is_the_best_that_it_allows():
    hour = np.full(3600, 0.1)
    hour[[700, 1400]] = 0.4, 0.8
    crying = np.full(3600, 0.05)
    crying[100:105], crying[500:505] = 0.6, 0.9
    recordings = [
        recording(hour, name="quiet"),
        recording(crying, [[100, 105], [500, 505]], name="crying"),
    ]
    curve = curves.alarm_curve(recordings, DECISION)

    strict, loose = curve.at_rate(0.1), curve.at_rate(0.6)
    assert (strict.threshold, strict.recall.value, strict.false_alarms) == (0.9, 0.5, 0)
    assert (loose.threshold, loose.recall.value, loose.false_alarms) == (0.6, 1.0, 1)
    assert loose.false_alarms_per_hour.value == pytest.approx(0.5, abs=0.01)


def test_no_false_alarm_in_three_hours_does_not_prove_less_than_one_an_hour():
    curve = curves.alarm_curve([recording(np.full(3 * 3600, 0.1))] * 2, DECISION)
    point = curve.at_threshold(1)
    assert point.false_alarms == 0
    assert point.false_alarms_per_hour.value == 0
    assert point.false_alarms_per_hour.high == pytest.approx(0.5, abs=0.002)


def test_without_crying_there_is_no_recall():
    curve = curves.alarm_curve([recording([0.1, 0.9])], DECISION)
    assert curve.at_rate(5.0).recall.value is None
    assert curve.at_threshold(1).recall.value is None


def test_intervals_are_over_whole_recordings():
    # Every bout of a recording has one fate, so many bouts do not narrow the interval.
    found, missed = np.full(1000, 0.1), np.full(1000, 0.1)
    bouts = [[100 * i, 100 * i + 10] for i in range(1, 10)]
    for start, end in bouts:
        found[start:end] = 0.9
    recordings = [
        recording(found if i % 2 else missed, bouts, name=str(i)) for i in range(8)
    ]
    curve = curves.alarm_curve(recordings, DECISION)
    recall = curve.at_threshold(1).recall
    assert recall.value == 0.5
    assert recall.low is not None
    assert recall.high is not None
    assert recall.low <= 0.25
    assert recall.high >= 0.75
    again = curves.alarm_curve(recordings, DECISION).at_threshold(1).recall
    assert again == recall


def test_one_recording_has_no_interval():
    curve = curves.alarm_curve([recording([0.1] * 9 + [0.9], [[9, 10]])], DECISION)
    recall = curve.at_rate(1.0).recall
    assert (recall.value, recall.low, recall.high) == (1.0, None, None)


def test_many_scores_are_thinned_without_losing_the_strict_end(rng):
    scores = rng.random(5000) * 0.6
    scores[2000:2100] = 0.6 + rng.random(100) * 0.4
    record = recording(scores, [[2000, 2100]])
    found = curves.thresholds_of([record], DECISION, most=40)
    quiet = np.sort(np.concatenate([scores[:1998], scores[2102:]]))[::-1]

    assert len(found) <= 41
    assert set(quiet[:20]) <= set(found)
    assert scores[2000:2100].min() in found
    assert (np.diff(found) < 0).all()


def test_a_device_alarms_when_the_window_that_confirms_is_over():
    scores = np.full(60, 0.1)
    scores[10:20] = 0.9
    decision = DECISION.replace(confirmation_s=3.0)
    record = recording(scores, [[10, 20], [40, 45]])
    delays = curves.alarm_delays(record, decision)
    assert delays[0] == 3.0
    assert math.isnan(delays[1])
    (placed, missed) = curves.onset_delays(record.reference, record.found(decision))
    assert placed == 0.0
    assert math.isnan(missed)


def test_a_bout_within_an_earlier_alarm_is_not_late():
    scores = np.full(60, 0.9)
    record = recording(scores, [[5, 10], [30, 40]])
    assert curves.alarm_delays(record, DECISION).tolist() == [0.0, 0.0]
    assert curves.onset_delays(record.reference, record.found(DECISION)).tolist() == [
        0,
        0,
    ]


def test_a_curve_takes_a_recording():
    with pytest.raises(ValueError, match="at least one recording"):
        curves.alarm_curve([], DECISION)


@pytest.mark.parametrize("length_s", [0.5, 59.0, 60.0, 61.0, 120.0, 150.0])
def test_an_event_alarms_as_often_as_the_budget_counts(length_s):
    found = np.array([[10.0, 10.0 + length_s]])
    counted = curves.count_false_alarms(NONE, found)
    assert counted == alarms_of(length_s)
