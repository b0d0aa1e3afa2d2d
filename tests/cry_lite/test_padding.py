"""What counts as padding at the end of a waveform."""

import numpy as np
import pytest

from cry_lite.padding import PADDING_LEVEL, kept_whole, real_length

LSB = 2.0**-15


def sound(tail, peak=0.3):
    """Returns 100 samples of a square wave, then a tail."""
    return np.concatenate([peak * np.resize([1.0, -1.0], 100), tail]).astype("float32")


def test_trailing_zeros_are_padding_and_those_inside_are_not():
    assert real_length(np.array([0.0, 0.5, 0.0, -0.1, 0.0, 0.0])) == 4
    assert real_length(np.array([0.1])) == 1
    assert real_length(np.array([0.0, 0.0])) == 0
    assert real_length(np.array([])) == 0


@pytest.mark.parametrize(
    "tail",
    [
        np.zeros(50),
        np.resize([LSB, 0, -LSB], 50),  # the last bit
        np.resize([-2 * LSB, LSB, 2 * LSB], 50),  # triangular dither
        np.full(50, 8 * LSB),  # A-law has no zero
        np.resize([12 * LSB, -12 * LSB], 50),  # the same, resampled
        np.full(50, PADDING_LEVEL),
    ],
    ids=["zeros", "one bit", "dither", "A-law", "resampled A-law", "level"],
)
def test_what_stands_for_silence_in_a_file_is_padding(tail):
    assert real_length(sound(tail)) == 100


def test_a_sample_above_the_level_is_sound_and_so_is_what_stands_before_it():
    tail = np.zeros(50)
    tail[30] = -17 * LSB
    assert real_length(sound(tail)) == 131


def test_a_recording_that_is_quiet_throughout_keeps_its_sound(rng):
    room = rng.normal(0, 1e-4, 20_000).astype(np.float32)
    assert np.abs(room).max() < PADDING_LEVEL
    assert real_length(room) > 19_900
    far_cry = sound(np.full(50, 2e-5), peak=1e-3)  # 34 dB below the peak
    assert real_length(far_cry) == 150
    assert real_length(sound(np.full(50, 1e-5), peak=1e-3)) == 100


def test_nan_is_no_padding():
    assert real_length(sound([0.0, np.nan, 0.0])) >= 102


@pytest.mark.parametrize("peak", [0.0, 1e-6, 1e-3, 1.0])
def test_a_waveform_kept_whole_has_no_padding(peak):
    waveform = sound(np.zeros(50), peak)
    kept = kept_whole(waveform)
    assert real_length(kept) == 150
    np.testing.assert_array_equal(kept[:-1], waveform[:-1])
    assert 0 < kept[-1] <= max(1e-12, min(1.01 * PADDING_LEVEL, peak / 60))
    assert kept_whole(kept) is kept
    assert waveform[-1] == 0  # the argument is left alone
