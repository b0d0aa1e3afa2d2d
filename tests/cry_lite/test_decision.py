from __future__ import annotations

import numpy as np
import pytest

from cry_lite.decision import answers, cell_edges, decide, find_events, smooth
from cry_lite.spec import DecisionSpec


def starts_of(count: int, hop_s: float = 1.0) -> np.ndarray:
    return np.arange(count) * hop_s


def detected(spec, scores, window_s=1.0, hop_s=1.0, duration_s=None, **decision):
    """Events of cry scores written by hand, as (start, end, peak, mean)."""
    starts = starts_of(len(scores), hop_s)
    ends = starts + window_s
    decided = DecisionSpec(window_s=window_s, hop_s=hop_s, **decision)
    rows = [[1 - score, score] for score in scores]
    last = float(ends[-1]) if duration_s is None else duration_s
    events = find_events(starts, ends, rows, spec.replace(decision=decided), last)
    assert all(event.label == "cry" for event in events)
    return [(e.start_s, e.end_s, e.peak, e.mean) for e in events]


def extents(events) -> list[tuple[float, float]]:
    return [(round(start, 6), round(end, 6)) for start, end, _, _ in events]


@pytest.fixture
def reason(spec):
    return spec.replace(
        task="reason",
        labels=("hungry", "tired", "pain"),
        positive_label=None,
        decision=DecisionSpec(window_s=1.0, hop_s=1.0),
    )


def reasons(spec, rows, **decision):
    spec = spec.replace(decision=spec.decision.replace(**decision))
    starts = starts_of(len(rows))
    events = find_events(starts, starts + 1, rows, spec, float(len(rows)))
    return [(e.label, e.start_s, e.end_s) for e in events]


def test_windows_that_touch_give_events_of_whole_windows(spec):
    events = detected(spec, [0.1, 0.9, 0.7, 0.1, 0.1])
    assert events == [(1.0, 3.0, pytest.approx(0.9), pytest.approx(0.8))]


def test_a_single_overlapping_window_stands_for_one_hop_about_its_centre(spec):
    # Windows 0-3, 1-4, ... have centres 1.5, 2.5, ...: the third covers 3.0-4.0.
    events = detected(spec, [0, 0, 0.9, 0, 0], window_s=3.0, hop_s=1.0)
    assert extents(events) == [(3.0, 4.0)]


def test_the_first_and_last_window_reach_the_ends_of_the_sound(spec):
    events = detected(spec, [0.9, 0, 0.9], window_s=3.0, hop_s=1.0)
    assert extents(events) == [(0.0, 2.0), (3.0, 5.0)]


def test_crying_throughout_covers_the_whole_sound(spec):
    events = detected(spec, [0.9, 0.9, 0.9], window_s=3.0, hop_s=1.0)
    assert extents(events) == [(0.0, 5.0)]


def test_cells_tile_the_sound_when_the_last_window_was_shifted_back():
    # Windows of 3 s every 1 s over 5.4 s: 0-3, 1-4, 2-5 and the last, 2.4-5.4.
    starts = np.array([0.0, 1.0, 2.0, 2.4])
    edges = cell_edges(starts, starts + 3.0, duration_s=5.4)
    np.testing.assert_allclose(edges, [0.0, 2.0, 3.0, 3.7, 5.4])


def test_one_window_is_one_event(spec):
    assert detected(spec, [0.99]) == [
        (0.0, 1.0, pytest.approx(0.99), pytest.approx(0.99))
    ]


def test_an_event_ends_with_the_sound_even_if_the_window_was_padded(spec):
    assert extents(detected(spec, [0.99], window_s=3.0, duration_s=0.1)) == [(0.0, 0.1)]


def test_no_windows_give_no_events(spec):
    assert find_events([], [], np.zeros((0, 2)), spec, 0.0) == []


def test_no_crying_gives_no_events(spec):
    assert detected(spec, [0.0, 0.49, 0.2]) == []


def test_a_score_at_the_onset_threshold_opens_an_event(spec):
    assert extents(detected(spec, [0.0, 0.5, 0.0])) == [(1.0, 2.0)]


def test_an_open_event_survives_scores_between_the_thresholds(spec):
    # 0.45 and 0.4 would not open an event; 0.39 closes it, 0.45 does not reopen it.
    events = detected(spec, [0.45, 0.6, 0.45, 0.4, 0.39, 0.45, 0.1])
    assert extents(events) == [(1.0, 4.0)]


def test_equal_thresholds_switch_at_that_score(spec):
    scores = [0.5, 0.49, 0.5]
    events = detected(spec, scores, onset_threshold=0.5, offset_threshold=0.5)
    assert extents(events) == [(0.0, 1.0), (2.0, 3.0)]


def test_a_median_removes_one_loud_window(spec):
    scores = [0, 0, 0.9, 0, 0, 0.9, 0.9, 0.9, 0]
    assert extents(detected(spec, scores)) == [(2.0, 3.0), (5.0, 8.0)]
    assert extents(detected(spec, scores, smoothing_windows=3)) == [(5.0, 8.0)]


def test_a_median_fills_one_quiet_window_and_keeps_the_peak_of_the_raw_scores(spec):
    events = detected(spec, [0.6, 0.7, 0.1, 0.8, 0.6], smoothing_windows=3)
    assert events == [(0.0, 5.0, pytest.approx(0.8), pytest.approx(0.56))]


@pytest.mark.parametrize("width", [1, 3, 5, 7])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 20])
def test_smoothing_is_the_median_of_the_windows_that_exist(rng, count, width):
    scores = rng.random((count, 3))
    half = width // 2
    expected = [
        np.quantile(scores[max(0, i - half) : i + half + 1], 0.5, 0, method="lower")
        for i in range(count)
    ]
    np.testing.assert_array_equal(smooth(scores, width), expected)


def test_an_end_never_adds_crying(spec):
    # A plain median of the last two windows, 0.45, would keep the event open.
    events = detected(spec, [0.0, 0.9, 0.9, 0.9, 0.0], smoothing_windows=3)
    assert extents(events) == [(1.0, 4.0)]


def test_events_closer_than_the_gap_are_joined_and_the_gap_counts_in_the_mean(spec):
    events = detected(spec, [0.9, 0.0, 0.6, 0.0, 0.0, 0.9], max_gap_s=1.5)
    assert events == [
        (0.0, 3.0, pytest.approx(0.9), pytest.approx(0.5)),
        (5.0, 6.0, pytest.approx(0.9), pytest.approx(0.9)),
    ]


def test_a_gap_as_long_as_the_limit_stays(spec):
    # Hops of 0.1 s are no exact binary fractions: 0.30000000000000004 is not 0.3.
    scores = [0.9, 0, 0, 0, 0.9]
    for limit, count in ((0.3, 2), (0.31, 1)):
        events = detected(spec, scores, window_s=0.1, hop_s=0.1, max_gap_s=limit)
        assert len(events) == count


def test_short_events_are_dropped_and_just_long_enough_ones_kept(spec):
    scores = [0, 0.9, 0, 0.9, 0.9, 0.9, 0]
    for limit, count in ((0.1, 2), (0.11, 1), (0.3, 1), (0.31, 0)):
        events = detected(spec, scores, window_s=0.1, hop_s=0.1, min_event_s=limit)
        assert len(events) == count


def test_gaps_are_joined_before_short_events_are_dropped(spec):
    events = detected(spec, [0.9, 0, 0.9, 0], max_gap_s=1.1, min_event_s=2.0)
    assert extents(events) == [(0.0, 3.0)]


def test_an_event_needs_a_stretch_at_the_onset_threshold_without_a_break(spec):
    # 0.1 s windows: 0.3 s above, but never more than 0.2 s of them in a row.
    broken = [0, 0.9, 0.9, 0.45, 0.9, 0.45, 0.45, 0]
    whole = [0, 0.9, 0.9, 0.9, 0.45, 0.45, 0.45, 0]
    for scores, longest_s in ((broken, 0.2), (whole, 0.3)):
        for limit, count in ((longest_s, 1), (longest_s + 0.01, 0)):
            rule = {"window_s": 0.1, "hop_s": 0.1, "confirmation_s": limit}
            events = detected(spec, scores, **rule)
            assert len(events) == count
            if count:
                assert extents(events) == [(0.1, 0.7)]  # all of it, not the stretch


def test_a_confirmation_in_seconds_means_the_same_at_every_hop(spec):
    for hop_s in (0.25, 0.5, 1.0):
        for high_s, count in ((2.0, 0), (3.0, 1), (4.0, 1)):
            scores = [0.0] * round(5 / hop_s)
            scores += [0.9] * round(high_s / hop_s) + scores
            events = detected(spec, scores, 3.0, hop_s, confirmation_s=3.0)
            assert len(events) == count


def test_joined_events_need_one_confirmed_stretch_and_a_gap_breaks_it(spec):
    rule = {"max_gap_s": 1.5, "confirmation_s": 2.0}
    assert detected(spec, [0, 0.9, 0, 0.9, 0, 0.9, 0], **rule) == []
    events = detected(spec, [0, 0.9, 0, 0.9, 0.9, 0, 0.9, 0], **rule)
    assert extents(events) == [(1.0, 7.0)]


def test_a_median_comes_before_the_confirmation(spec):
    scores = [0, 0.9, 0.9, 0.1, 0.9, 0.9, 0, 0]
    rule = {"smoothing_windows": 3, "confirmation_s": 5.0}
    assert extents(detected(spec, scores, **rule)) == [(1.0, 6.0)]


def test_a_reason_is_confirmed_only_while_it_leads(reason):
    rows = [[0.6, 0.3, 0.1], [0.6, 0.2, 0.2], [0.45, 0.35, 0.2], [0.1, 0.6, 0.3]]
    assert reasons(reason, rows, confirmation_s=2.0) == [("hungry", 0.0, 3.0)]
    assert reasons(reason, rows, confirmation_s=3.0) == []


def test_the_positive_label_is_found_wherever_it_stands(spec):
    first = spec.replace(labels=("cry", "no_cry"))
    events = find_events([0.0], [1.0], [[0.9, 0.1]], first, 1.0)
    assert [event.label for event in events] == ["cry"]


def test_reasons_are_runs_of_the_winner(reason):
    rows = [[0.8, 0.1, 0.1], [0.7, 0.2, 0.1], [0.1, 0.9, 0.0], [0.6, 0.3, 0.1]]
    assert reasons(reason, rows) == [
        ("hungry", 0.0, 2.0),
        ("tired", 2.0, 3.0),
        ("hungry", 3.0, 4.0),
    ]


def test_a_winner_below_the_threshold_is_no_reason(reason):
    rows = [[0.4, 0.3, 0.3], [0.45, 0.3, 0.25]]
    assert reasons(reason, rows) == []


def test_a_reason_holds_while_it_leads_and_ends_when_another_does(reason):
    # 0.42 is between the thresholds and leads; 0.45 of another closes it unseen.
    rows = [[0.6, 0.3, 0.1], [0.42, 0.4, 0.18], [0.4, 0.45, 0.15], [0.42, 0.4, 0.18]]
    assert reasons(reason, rows) == [("hungry", 0.0, 2.0)]


def test_another_reason_in_between_keeps_two_apart(reason):
    rows = [[0.9, 0.1, 0], [0.1, 0.9, 0], [0.9, 0.1, 0], [0.4, 0.3, 0.3], [0.9, 0, 0.1]]
    assert reasons(reason, rows, max_gap_s=10.0) == [
        ("hungry", 0.0, 1.0),
        ("tired", 1.0, 2.0),
        ("hungry", 2.0, 5.0),
    ]


def test_a_night_is_decided_in_little_time(spec):
    scores = np.random.default_rng(0).random(28_800)
    assert len(detected(spec, scores, smoothing_windows=5)) > 100


@pytest.mark.parametrize("smoothing_windows", [1, 5])
@pytest.mark.parametrize("min_event_s", [0.0, 2.5])
@pytest.mark.parametrize("confirmation_s", [0.0, 2.0])
@pytest.mark.parametrize("max_gap_s", [0.0, 1.5])
def test_a_clip_is_a_cry_exactly_where_its_score_reaches_the_threshold(
    spec, rng, smoothing_windows, min_event_s, confirmation_s, max_gap_s
):
    found = set()
    for _ in range(60):
        rows = rng.dirichlet((1, 1), size=rng.integers(1, 12)).astype(np.float32)
        onset = float(rng.random())
        decided = DecisionSpec(
            window_s=2.0,
            hop_s=1.0,
            onset_threshold=onset,
            offset_threshold=onset * float(rng.random()),
            smoothing_windows=smoothing_windows,
            min_event_s=min_event_s,
            confirmation_s=confirmation_s,
            max_gap_s=max_gap_s,
        )
        strict = spec.replace(decision=decided)
        starts = starts_of(len(rows))
        timeline = (starts, starts + 2.0, rows, strict, float(starts[-1] + 2))
        made = decide(*timeline)
        assert list(made.events) == find_events(*timeline)
        assert made.label == ("cry" if made.events else "no_cry")
        assert (made.scores[1] >= onset) == bool(made.events)
        assert strict.labels[answers(made.scores[None], strict)[0]] == made.label
        found.add(made.label)
    assert len(found) == 2  # else nothing was compared


def test_a_clip_shorter_than_an_event_is_no_cry(spec):
    decided = DecisionSpec(window_s=1.0, hop_s=1.0, min_event_s=3.0)
    made = decide([0.0], [1.0], [[0.1, 0.9]], spec.replace(decision=decided), 1.0)
    assert (made.label, made.events) == ("no_cry", ())
    assert made.scores.tolist() == [1.0, 0.0]


def test_of_several_other_labels_the_one_with_the_highest_mean_answers(spec):
    three = spec.replace(labels=("rain", "cry", "speech"))
    rows = [[0.2, 0.4, 0.4], [0.6, 0.1, 0.3], [0.2, 0.2, 0.6]]
    starts = starts_of(3)
    made = decide(starts, starts + 1, rows, three, 3.0)
    assert made.label == "speech"
    # 0.6 is left of 1, shared as the means 1.0 / 3 and 1.3 / 3.
    shares = [0.6 * 1.0 / 2.3, 0.4, 0.6 * 1.3 / 2.3]
    np.testing.assert_allclose(made.scores, shares, rtol=1e-6)


def test_a_reason_is_the_label_of_the_highest_mean(reason):
    rows = [[0.9, 0.1, 0.0], [0.1, 0.8, 0.1], [0.1, 0.8, 0.1]]
    starts = starts_of(3)
    made = decide(starts, starts + 1, rows, reason, 3.0)
    assert made.label == "tired"
    np.testing.assert_allclose(made.scores, np.mean(rows, axis=0), rtol=1e-6)


def test_a_threshold_is_not_rounded_to_the_precision_of_the_scores(spec):
    # Of 0.1 in float32 that is above 0.1, and of 0.7 that is below.
    for threshold, is_cry in ((0.1, True), (0.7, False)):
        decided = spec.decision.replace(onset_threshold=threshold, offset_threshold=0)
        scores = np.array([[1 - threshold, threshold]], np.float32)
        strict = spec.replace(decision=decided)
        assert answers(scores, strict).tolist() == [int(is_cry)]
        assert bool(decide([0], [1], scores, strict, 1.0).events) == is_cry


def test_a_clip_without_windows_has_no_answer(spec):
    with pytest.raises(ValueError, match="at least one window"):
        decide([], [], np.zeros((0, 2)), spec, 0.0)


@pytest.mark.parametrize(
    ("starts", "ends", "scores", "message"),
    [
        ([0.0], [1.0, 2.0], [[0.1, 0.9]], "Every window needs"),
        ([0.0, 1.0], [1.0, 2.0], [[0.1, 0.9]], "Every window needs"),
        ([0.0], [1.0], [[0.1, 0.2, 0.7]], "a column a label"),
        ([0.0], [1.0], [[0.1, np.nan]], "must be finite"),
        ([1.0, 0.0], [2.0, 1.0], [[0.1, 0.9]] * 2, "order of time"),
        ([0.0, 0.0], [1.0, 1.0], [[0.1, 0.9]] * 2, "order of time"),
    ],
)
def test_scores_that_do_not_fit_the_windows_are_refused(
    spec, starts, ends, scores, message
):
    with pytest.raises(ValueError, match=message):
        find_events(starts, ends, scores, spec, 2.0)
