import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from cry_lite.alarm_budget import ScoredRecording
from cry_lite.spec import DecisionSpec
from cry_tf.evaluation import event_counts
from cry_tf.evaluation.alarm_curve import AnnotatedRecording, with_threshold
from cry_tf.evaluation.event_counts import Counts

# Made by tests/golden/make_events.py with sed_scores_eval.
GOLDEN = json.loads(
    (Path(__file__).parents[2] / "golden" / "events.json").read_text(encoding="utf-8")
)
# A threshold and nothing else: what sed_scores_eval calls a detection.
PLAIN = DecisionSpec(
    window_s=GOLDEN["frame_s"],
    hop_s=GOLDEN["frame_s"],
    onset_threshold=0.5,
    offset_threshold=0.5,
)


def recording(entry):
    scores = np.array(entry["scores"])
    edges = np.round(np.arange(len(scores) + 1) * GOLDEN["frame_s"], 6)
    scored = ScoredRecording(
        name="drawn",
        duration_s=float(edges[-1]),
        starts_s=edges[:-1],
        ends_s=edges[1:],
        scores=scores,
    )
    reference = np.array(entry["events"], np.float64).reshape(-1, 2)
    return AnnotatedRecording(scored=scored, reference=reference)


RECORDINGS = [recording(entry) for entry in GOLDEN["recordings"]]


def total(count, threshold):
    decision = with_threshold(PLAIN, threshold)
    parts = [count(each, each.found(decision)) for each in RECORDINGS]
    return Counts(*(sum(numbers) for numbers in zip(*parts, strict=True)))


def assert_like(found, golden):
    expected = Counts(golden["n_ref"], golden["tps"], golden["fps"])
    assert found == expected
    assert found.f1 == pytest.approx(golden["f1"], abs=1e-12)


@pytest.mark.parametrize("golden", GOLDEN["matched"])
def test_matched_events_are_those_of_sed_scores_eval(golden):
    assert_like(
        total(
            lambda each, found: event_counts.matched(
                each.reference, found, *golden["collars"]
            ),
            golden["threshold"],
        ),
        golden,
    )


@pytest.mark.parametrize("golden", GOLDEN["intersecting"])
def test_intersecting_events_are_those_of_sed_scores_eval(golden):
    assert_like(
        total(
            lambda each, found: event_counts.intersecting(
                each.reference, found, *golden["shares"]
            ),
            golden["threshold"],
        ),
        golden,
    )


@pytest.mark.parametrize("golden", GOLDEN["segments"])
def test_segments_are_those_of_sed_scores_eval(golden):
    assert_like(
        total(
            lambda each, found: event_counts.segments(
                each.reference, found, each.duration_s, golden["segment_s"]
            ),
            golden["threshold"],
        ),
        golden,
    )


@pytest.fixture(scope="module")
def found_at_every_score():
    scores = np.unique(np.concatenate([each.scored.scores for each in RECORDINGS]))
    return [
        [each.found(with_threshold(PLAIN, float(score))) for each in RECORDINGS]
        for score in scores[::-1]
    ]


@pytest.mark.parametrize("golden", GOLDEN["psds"])
def test_psds_is_that_of_sed_scores_eval(golden, found_at_every_score):
    hours = sum(each.duration_s for each in RECORDINGS) / 3600
    recalls, rates = [0.0], [0.0]
    for found in found_at_every_score:
        counts = [
            event_counts.intersecting(each.reference, events, *golden["shares"])
            for each, events in zip(RECORDINGS, found, strict=True)
        ]
        references, hits, false_alarms = (sum(n) for n in zip(*counts, strict=True))
        recalls.append(hits / references)
        rates.append(false_alarms / hours)
    area = event_counts.psds(np.array(recalls), np.array(rates), golden["max_rate"])
    assert area == pytest.approx(golden["psds"], abs=1e-9)


def test_a_larger_collar_matches_what_the_smaller_one_misses():
    reference, found = np.array([[1.0, 3.0]]), np.array([[1.25, 3.0]])
    assert event_counts.matched(reference, found) == (1, 0, 1)
    assert event_counts.matched(reference, found, onset_collar_s=0.25) == (1, 1, 0)


def test_the_most_pairs_are_matched_and_not_the_first_ones():
    # The first found event is near both references, the second near the first alone.
    reference = np.array([[1.0, 2.0], [1.3, 2.3]])
    found = np.array([[1.15, 2.15], [0.9, 1.9]])
    assert event_counts.matched(reference, found).hits == 2


def test_a_matching_is_as_large_as_the_best_of_all(rng):
    for _ in range(50):
        near = rng.random((4, 4)) < 0.4
        best = max(
            sum(near[row, column] for row, column in enumerate(order))
            for order in itertools.permutations(range(4))
        )
        assert event_counts._most_pairs(near) == best


def test_a_late_end_is_allowed_by_the_length_of_the_event():
    reference = np.array([[0.0, 10.0], [20.0, 20.5]])
    found = np.array([[0.0, 11.9], [20.0, 20.75]])
    assert event_counts.matched(reference, found) == (2, 1, 1)


@pytest.mark.parametrize(
    "count",
    [
        event_counts.matched,
        event_counts.intersecting,
        lambda reference, found: event_counts.segments(reference, found, 9.5),
    ],
)
def test_nothing_there_and_nothing_found_has_no_f1(count):
    none = np.zeros((0, 2))
    assert count(none, none) == (0, 0, 0)
    assert count(none, none).f1 is None
    assert count(none, np.array([[2.0, 3.0]])) == (0, 0, 1)
    assert count(np.array([[2.0, 3.0]]), none) == (1, 0, 0)


def test_psds_is_the_mean_of_the_best_recall_over_the_rates():
    area = event_counts.psds(np.array([0.5, 1.0, 0.8]), np.array([0.0, 50.0, 60.0]))
    assert area == pytest.approx((0.5 * 50 + 1.0 * 50) / 100)


def test_psds_of_a_detector_with_too_many_false_alarms_is_zero():
    assert event_counts.psds(np.array([0.0, 1.0]), np.array([0.0, 101.0])) == 0
