import numpy as np
import pytest

from cry_tf.data import Clip, Dataset
from cry_tf.studies.personal.recording_time import (
    are_siblings,
    recording_times,
    time_sentence,
)

ANDROID = "549a46d8-9c84-430e-ade8-97eae2bef787-1430130772174-1.7-m-48-bp.flac"
IPHONE = "643D64AD-B711-469A-AF69-55C0D5D3E30F-1430138495-1.0-m-72-bp.flac"


def times(*clips, column=None):
    made = tuple(Clip(name, "hungry", "a", columns) for name, columns in clips)
    return recording_times(Dataset(made, ("hungry",)), column)


def test_donateacry_names_hold_seconds_or_milliseconds():
    got = times((ANDROID, {}), (IPHONE, {}), ("own.wav", {}))
    np.testing.assert_allclose(got, [1430130772.174, 1430138495, np.nan])


def test_a_column_is_read_before_the_name():
    got = times(
        (ANDROID, {"time": "2026-05-01T00:01:00"}),
        (IPHONE, {"recorded_at": "2026-05-01T02:02:00+02:00"}),
        ("own.wav", {"mine": "1777600000"}),
    )
    assert got[1] - got[0] == 60
    assert np.isnan(got[2])
    found = times(("own.wav", {"mine": "1777600000"}), column="mine")
    assert found[0] == 1_777_600_000


# 1 May 2026, 01:46:40
@pytest.mark.parametrize(
    "text",
    [
        "1777600000",
        "1777600000.0",
        "1777600000000",
        "1.7776e12",
        "1777600000000000",
        "1777600000000000000",
        "2026-05-01T01:46:40Z",
        "2026-05-01 01:46:40",
        "20260501T014640",
        "2026-05-01T03:46:40+02:00",
    ],
)
def test_a_time_tells_its_unit_by_its_size(text):
    np.testing.assert_allclose(times(("own.wav", {"time": text})), [1_777_600_000])


def test_units_may_be_mixed_and_the_distance_is_right():
    seconds, milliseconds = "1777600000", "1777600090500"
    got = times(("a.wav", {"time": seconds}), ("b.wav", {"time": milliseconds}))
    assert got[1] - got[0] == 90.5
    assert are_siblings(got, 2)[0, 1]


@pytest.mark.parametrize(
    "text",
    [
        *("60", "0", "-5", "1e300", "86399", "46143.57", "20260501", "20260501134500"),
        *("2026-05-01", "13:45:00", "01.05.2026 13:45", "05/01/2026 13:45", "inf"),
        *("1999-12-31T23:59:59", "0001-01-01T00:00:00", "17776000000", "\u0661" * 10),
    ],
)
def test_what_could_mean_another_time_is_refused(text):
    with pytest.raises(ValueError, match="since 1970. Received: .* for own.wav"):
        times(("own.wav", {"time": text}))


@pytest.mark.parametrize("text", ["", "  ", "nan", "NaT", "NULL", "N/A"])
def test_an_empty_time_is_not_known(text):
    assert np.isnan(times(("own.wav", {"time": text}))).all()


def test_a_missing_column_and_a_bad_value_are_named():
    with pytest.raises(ValueError, match="'when'; own.wav has 'time'"):
        times(("own.wav", {"time": "1"}), column="when")
    with pytest.raises(ValueError, match="ISO 8601.*'yesterday' for own.wav"):
        times(("own.wav", {"time": "yesterday"}))


def test_siblings_are_near_in_time_and_not_oneself():
    got = are_siblings(np.array([0, 119, 120.5, np.nan]), 2)
    expected = np.zeros((4, 4), bool)
    expected[0, 1] = expected[1, 0] = expected[1, 2] = expected[2, 1] = True
    np.testing.assert_array_equal(got, expected)
    with pytest.raises(ValueError, match="minutes must be at least 0"):
        are_siblings(np.zeros(2), float("nan"))


def test_unknown_times_are_told():
    assert time_sentence(np.array([1.0, 2.0])) == ""
    assert "1 clip of 2 was recorded" in time_sentence(np.array([1.0, np.nan]))
