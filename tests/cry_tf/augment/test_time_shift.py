import numpy as np
import pytest

from cry_tf.augment import TimeShift

RATE_HZ = 16_000


@pytest.mark.parametrize("shift", [-8000, -1, 1, 4000, 15_999])
def test_the_sound_moves_and_only_the_seam_fades(cry, shift):
    shifted = TimeShift().apply(cry, RATE_HZ, shift)
    rolled = np.roll(cry, shift)
    seam = shift % len(cry)
    assert len(shifted) == len(cry)
    fade = 80  # 5 ms
    away = np.abs(np.arange(len(cry)) - seam + 0.5) > fade
    np.testing.assert_array_equal(shifted[away], rolled[away])


def test_there_is_no_click_where_the_ends_meet():
    ends_apart = np.linspace(-0.9, 0.9, 16_000).astype(np.float32)
    assert np.abs(np.diff(np.roll(ends_apart, 4000))).max() > 1.7
    shifted = TimeShift().apply(ends_apart, RATE_HZ, 4000)
    # A raised cosine over 80 samples falls by at most pi / 2 / 81 a sample.
    assert np.abs(np.diff(shifted)).max() < 0.9 * np.pi / 2 / 81 + 1e-3


def test_no_shift_changes_nothing(cry):
    np.testing.assert_array_equal(TimeShift().apply(cry, RATE_HZ, 0), cry)


def test_shifts_go_both_ways_up_to_the_longest_or_half_the_clip(rng):
    drawn = [TimeShift(0.5).draw(rng, 10**6, RATE_HZ) for _ in range(500)]
    assert -8000 <= min(drawn) < -7500
    assert 7500 < max(drawn) <= 8000
    short = [TimeShift(0.5).draw(rng, 10, RATE_HZ) for _ in range(200)]
    assert {min(short), max(short)} == {-5, 5}


@pytest.mark.parametrize("bad", [0, -1, float("nan"), float("inf")])
def test_a_wrong_range_is_refused(bad):
    with pytest.raises(ValueError, match="max_shift_s"):
        TimeShift(bad)
