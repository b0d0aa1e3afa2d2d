import csv

import numpy as np
import pytest

from cry_lite.events import Event
from cry_tf.studies.quickstart.night_score import score_night, write_truth
from cry_tf.synthesis.night import Night, TrueEvent


def cry(start_s: float, end_s: float) -> TrueEvent:
    return TrueEvent(start_s=start_s, end_s=end_s, label="cry", reason="hungry")


def found(start_s: float, end_s: float) -> Event:
    return Event(start_s=start_s, end_s=end_s, label="cry", peak=0.9, mean=0.8)


NIGHT = Night(
    np.zeros(100 * 16_000, np.float32),
    (
        cry(10, 20),
        TrueEvent(start_s=30, end_s=40, label="cat_meow"),
        cry(50, 60),
        cry(80, 90),
    ),
)


def test_a_cry_under_any_event_is_found_once():
    score = score_night(NIGHT, [found(9, 12), found(14, 16), found(55, 70)])
    assert (score.cries, score.found, score.false_alarms) == (3, 2, 0)
    assert score.covered_s == pytest.approx(2 + 2 + 5)


def test_an_event_beside_every_cry_is_a_false_alarm_and_says_what_was_heard():
    score = score_night(NIGHT, [found(31, 35), found(65, 70), found(15, 35)])
    assert score.false_alarms == 2
    assert score.false_alarm_labels == ("cat_meow", "background")
    # 70 of 100 seconds are no cry.
    assert score.false_alarms_per_hour == pytest.approx(2 * 3600 / 70)


def test_touching_is_not_overlapping():
    score = score_night(NIGHT, [found(20, 25)])
    assert (score.found, score.false_alarms) == (0, 1)


def test_nothing_found_is_nothing_found():
    score = score_night(NIGHT, [])
    assert (score.found, score.events, score.false_alarms) == (0, 0, 0)
    assert score.false_alarms_per_hour == 0


def test_a_night_that_is_all_cry_has_no_false_alarm_rate():
    night = Night(np.zeros(16_000, np.float32), (cry(0, 1),))
    assert score_night(night, [found(0, 1)]).false_alarms_per_hour is None


def test_the_truth_is_written_with_every_sound(tmp_path):
    write_truth(tmp_path / "truth.csv", NIGHT)
    with open(tmp_path / "truth.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == ["cry", "cat_meow", "cry", "cry"]
    assert rows[0]["start_s"] == "10.000"
    assert [row["reason"] for row in rows] == ["hungry", "", "hungry", "hungry"]
