from __future__ import annotations

import math
import time

import numpy as np
import pytest

from cry_lite import alarm_budget
from cry_lite.alarm_budget import (
    ScoredRecording,
    check_hours,
    choice_sentences,
    choose,
    earliest_alarm_s,
    highest_rate,
    hours_needed,
    hours_of,
    point_of,
    seeming_cries,
)
from cry_lite.live_decision import LiveDecision
from cry_lite.spec import DecisionSpec

HOP_S = 0.5
DECISION = DecisionSpec(window_s=2.0, hop_s=HOP_S)


def scored(name: str, scores, hop_s: float = HOP_S) -> ScoredRecording:
    starts = np.arange(len(scores)) * hop_s
    return ScoredRecording(
        name=name,
        duration_s=float(starts[-1] + 2.0),
        starts_s=starts,
        ends_s=starts + 2.0,
        scores=np.asarray(scores),
    )


def drawn(rng, kind: str, count: int, windows: int, a: float, b: float):
    """Recordings with scores that stay for 1 to 4 windows."""
    return [
        scored(
            f"{kind}{i}.wav",
            # Scores come in float32, and thresholds do not.
            np.repeat(rng.beta(a, b, windows), rng.integers(1, 5, windows))[
                :windows
            ].astype(np.float32),
        )
        for i in range(count)
    ]


@pytest.fixture
def ambient(rng):
    return drawn(rng, "ambient", 24, 600, 1, 6)  # 2 hours


@pytest.fixture
def cries(rng):
    return drawn(rng, "cry", 30, 12, 3, 2)


def with_bursts(windows: int, at: list[int], length: int, score: float) -> np.ndarray:
    scores = np.full(windows, 0.02)
    for first in at:
        scores[first : first + length] = score
    return scores


@pytest.mark.parametrize("max_gap_s", [0.0, 2.5])
@pytest.mark.parametrize("onset", [0.47, 0.0, 1.0])
def test_the_search_counts_the_events_that_the_runtime_finds(
    rng, ambient, cries, max_gap_s, onset
):
    decision = DECISION.replace(
        max_gap_s=max_gap_s,
        onset_threshold=onset,
        offset_threshold=0.6 * onset,
        smoothing_windows=7,
        min_event_s=1.2,
    )
    grid = alarm_budget._Grid(ambient[:6], cries, decision)
    seen = set()
    for _ in range(150):
        other = int(rng.integers(len(grid.false_alarms)))
        place = int(rng.integers(len(grid.onsets)))
        setting = grid.setting(other, place)
        point = point_of(setting, ambient[:6], cries)
        assert point.false_alarms == grid.false_alarms[other, place], setting
        assert point.detected == grid.detected[other, place], setting
        seen.add((point.false_alarms, point.detected))
    assert len(seen) > 30


def test_the_choice_detects_the_most_cries_within_the_budget(ambient, cries):
    choice = choose(ambient, cries, DECISION, 5.0)
    chosen = choice.chosen
    assert chosen == point_of(chosen.decision, ambient, cries)
    assert chosen.false_alarms <= 5.0 * hours_of(ambient)
    # No setting of another grid of ours does better.
    for onset in np.linspace(0.05, 0.95, 30).tolist():
        for confirmation_s in (0.0, 1.0, 2.0, 3.0):
            other = DECISION.replace(
                onset_threshold=onset,
                offset_threshold=0.8 * onset,
                confirmation_s=confirmation_s,
            )
            point = point_of(other, ambient, cries)
            if point.false_alarms <= 5.0 * hours_of(ambient):
                assert point.detected <= chosen.detected
    assert choice.before == point_of(DECISION, ambient, cries)
    assert choice.before.false_alarms > 10 * max(1, chosen.false_alarms)


def test_every_point_of_the_curve_costs_more_and_detects_more(ambient, cries):
    curve = choose(ambient, cries, DECISION, 50.0).curve
    assert all(point == point_of(point.decision, ambient, cries) for point in curve)
    assert all(
        a.false_alarms < b.false_alarms and a.detected < b.detected
        for a, b in zip(curve, curve[1:], strict=False)
    )


def test_brief_sounds_that_score_like_cries_are_told_apart_by_confirmation():
    # Both reach 0.9: a threshold alone cannot tell a click of 1 s from a cry of 4 s.
    clicks = [scored("clicks", with_bursts(7200, list(range(50, 7000, 90)), 2, 0.9))]
    cries = [scored(f"cry{i}", with_bursts(40, [12], 8, 0.9)) for i in range(10)]
    chosen = choose(clicks, cries, DECISION, 1.0).chosen
    assert (chosen.false_alarms, chosen.detected) == (0, 10)
    rule = chosen.decision
    assert max(rule.confirmation_s, rule.min_event_s) > 1.0 or (
        rule.smoothing_windows > 3
    )
    assert earliest_alarm_s(rule) <= 4.0  # the quickest of the settings that do it


def test_of_equal_thresholds_the_one_in_the_middle_is_chosen():
    quiet = [scored("quiet", with_bursts(7200, list(range(0, 7000, 50)), 3, 0.2))]
    cries = [scored("cry", with_bursts(40, [10], 20, 0.8))]
    chosen = choose(quiet, cries, DECISION, 1.0).chosen
    assert 0.4 < chosen.decision.onset_threshold < 0.6  # in logits halfway is 0.5


def test_without_cries_the_threshold_is_raised_as_far_as_needed_and_no_further():
    scores = with_bursts(7200, [100, 200, 300], 4, 0.7)
    scores[500:504] = 0.9
    choice = choose([scored("room", scores)], [], DECISION, None)
    onset = choice.chosen.decision.onset_threshold
    assert 0.9 < onset < 0.925
    assert choice.chosen.decision == DECISION.replace(
        onset_threshold=onset, offset_threshold=round(0.8 * onset, 4)
    )
    assert choice.chosen.false_alarms == 0
    assert choice.before.false_alarms == 4
    one = choose([scored("room", scores)], [], DECISION, 1.0).chosen
    assert (one.false_alarms, one.decision.onset_threshold > 0.7) == (1, True)


def test_without_cries_a_quiet_room_changes_nothing():
    choice = choose([scored("room", np.full(7200, 0.01))], [], DECISION, None)
    assert choice.chosen.decision == DECISION


def test_without_cries_a_confirmation_is_asked_for_only_at_the_highest_threshold():
    room = [scored("room", with_bursts(7200, [100, 900], 3, 1.0))]
    chosen = choose(room, [], DECISION, None).chosen
    assert chosen.false_alarms == 0
    assert chosen.decision.confirmation_s == 2.0


def test_a_lower_threshold_that_happens_to_fit_is_not_taken():
    # At 0.3 all is one event; at 0.6 it is many.
    scores = np.where(np.arange(7200) % 10 < 5, 0.7, 0.45)
    rule = DECISION.replace(onset_threshold=0.3, offset_threshold=0.3)
    assert len(scored("hum", scores).events(rule)) == 1
    chosen = choose([scored("hum", scores)], [], rule, 1.0).chosen
    assert chosen.decision.onset_threshold > 0.7


@pytest.mark.parametrize(("alarms", "most"), [(0, 2.9957), (3, 7.7537), (100, 118.08)])
def test_the_highest_rate_is_the_exact_bound_of_a_poisson_count(alarms, most):
    assert highest_rate(alarms, 1.0) == pytest.approx(most, rel=1e-4)
    assert highest_rate(alarms, 10.0) == pytest.approx(most / 10, rel=1e-4)


def test_too_few_hours_are_refused_with_the_hours_that_are_needed():
    assert hours_needed(0.2) == pytest.approx(14.98, abs=0.01)
    with pytest.raises(ValueError, match=r"in 2.0 h .* at most 1.5 an hour .* 15.0 h"):
        check_hours(2.0, 0.2)
    check_hours(15.0, 0.2)


def test_crying_in_an_ambient_recording_is_found_and_named():
    scores = with_bursts(7200, [1000], 20, 0.95)  # 10 s
    clicks = with_bursts(7200, [1000], 8, 0.99)  # 4 s: as a door or a voice
    room = [scored("click.wav", clicks), scored("night.wav", scores)]
    [found] = seeming_cries(room, DECISION)
    assert str(found).startswith("night.wav at 501-511 s (mean score 0.95)")


def test_the_earliest_alarm_is_when_a_live_decision_comes():
    for changes in (
        {},
        {"confirmation_s": 2.0},
        {"smoothing_windows": 3},
        {"smoothing_windows": 5, "confirmation_s": 1.2, "min_event_s": 3.0},
    ):
        decision = DECISION.replace(**changes)
        live = LiveDecision(decision)
        cry_s = 20.0
        for start_s in np.arange(0, 60, HOP_S).tolist():
            # Half of the window cries, at least.
            score = 0.9 if start_s + 1.0 >= cry_s + HOP_S / 2 else 0.0
            if live.add(start_s, start_s + 2.0, score):
                delay_s = start_s + 2.0 - cry_s
                assert delay_s == pytest.approx(earliest_alarm_s(decision), abs=HOP_S)
                break
        else:
            pytest.fail("no alarm")


def test_what_was_chosen_is_told_in_words_and_in_json(ambient, cries):
    choice = choose(ambient, cries, DECISION, 5.0)
    text = "\n".join(choice_sentences(choice))
    assert "of 30 recordings" in text
    assert "in 2.0 h of ambient recordings" in text
    values = choice.to_dict()
    assert values["chosen"]["decision"] == choice.chosen.decision.to_dict()
    assert values["is_supported"] is True
    assert choose(ambient, cries, DECISION, 1.0).to_dict()["is_supported"] is False


def test_settings_that_keep_the_budget_but_detect_nothing_are_no_choice():
    same = with_bursts(7200, list(range(50, 7000, 90)), 20, 0.9)
    cry = with_bursts(40, [5], 20, 0.9)
    with pytest.raises(ValueError, match="detects none of the 1 cries"):
        choose([scored("music", same)], [scored("cry", cry)], DECISION, 1.0)


def test_ambient_sound_that_is_always_over_budget_is_named():
    loud = with_bursts(7200, [10, 60, 200], 40, 1.0)
    with pytest.raises(ValueError, match=r"leaves 3, the surest music.wav at") as error:
        choose([scored("music.wav", loud)], [], DECISION, None)
    assert "Remove what is crying" in str(error.value)


def test_an_event_that_never_ends_is_no_way_to_few_alarms(rng):
    # Music at 0.3 all the time, with peaks; a low threshold makes one event of it.
    music = np.where(rng.random(7200) < 0.1, 0.6, 0.3)
    cries = [scored(f"cry{i}", with_bursts(40, [10], 12, 0.55)) for i in range(5)]
    low = DECISION.replace(onset_threshold=0.2, offset_threshold=0.1)
    point = point_of(low, [scored("music", music)], cries)
    assert (len(scored("music", music).events(low)), point.false_alarms) == (1, 61)
    chosen = choose([scored("music", music)], cries, DECISION, 2.0).chosen
    assert chosen.decision.onset_threshold > 0.3
    assert (chosen.false_alarms <= 2, chosen.recall) == (True, 1.0)


def test_of_equal_settings_the_model_s_own_is_kept():
    quiet = [scored("quiet", np.full(7200, 0.01))]
    cries = [scored("cry", with_bursts(40, [10], 20, 0.95))]
    own = DECISION.replace(offset_threshold=0.35)
    chosen = choose(quiet, cries, own, 1.0).chosen.decision
    assert chosen.offset_threshold == pytest.approx(
        0.7 * chosen.onset_threshold, abs=1e-4
    )
    assert chosen.replace(onset_threshold=0.5, offset_threshold=0.35) == own


@pytest.mark.parametrize("budget", [0.0, -1.0, math.inf, math.nan])
def test_a_budget_must_be_a_rate_that_hours_can_show(ambient, budget):
    with pytest.raises(ValueError, match="above 0 and finite"):
        choose(ambient, [], DECISION, budget)


def test_without_ambient_recordings_there_is_no_choice(cries):
    with pytest.raises(ValueError, match="At least one ambient recording"):
        choose([], cries, DECISION, 1.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scores": [0.1, math.nan]}, "not a number"),
        ({"scores": [0.1]}, "shapes"),
        ({"scores": [], "starts_s": [], "ends_s": []}, "at least one window"),
        ({"starts_s": [1.0, 0.0]}, "in order of time"),
        ({"duration_s": 0.0}, "above 0 s"),
        ({"duration_s": math.nan}, "above 0 s"),
    ],
)
def test_scores_that_are_no_recording_are_refused(changes, message):
    values = {
        "name": "night.wav",
        "duration_s": 2.5,
        "starts_s": [0.0, 0.5],
        "ends_s": [2.0, 2.5],
        "scores": [0.1, 0.2],
    }
    ScoredRecording(**values)
    with pytest.raises(ValueError, match=message):
        ScoredRecording(**{**values, **changes})


def test_twenty_hours_are_searched_in_seconds(rng):
    ambient = drawn(rng, "ambient", 20, 7200, 1, 6)
    cries = drawn(rng, "cry", 100, 12, 4, 2)
    begun = time.process_time()
    choose(ambient, cries, DECISION, 0.2)
    assert time.process_time() - begun < 20
