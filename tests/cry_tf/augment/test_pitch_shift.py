import numpy as np
import pytest

from cry_tf.augment import PitchShift

RATE_HZ = 16_000


@pytest.mark.parametrize("semitones", [-4.0, -2.0, -0.5, 0.5, 2.0, 4.0])
@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 32_000])
def test_the_pitch_moves_and_the_length_stays(tone, peak_hz, semitones, rate_hz):
    waveform = tone(440, 2.0, rate_hz)
    shifted = PitchShift().apply(waveform, rate_hz, semitones)
    assert len(shifted) == len(waveform)
    # Segments continue each other to half a sample in 20 ms, the worst case.
    assert peak_hz(shifted, rate_hz) == pytest.approx(
        440 * 2 ** (semitones / 12), rel=0.5 / (0.02 * rate_hz)
    )


def test_two_semitones_above_440_hz_are_494(tone, peak_hz):
    shifted = PitchShift().apply(tone(440, 3.0), RATE_HZ, 2.0)
    assert peak_hz(shifted) == pytest.approx(493.88, abs=0.1)


def test_all_harmonics_move_by_the_same_factor(cry):
    def spectrum(sound):
        return np.abs(np.fft.rfft(sound[8000:16_000] * np.hanning(8000), 2**16))

    up = spectrum(PitchShift().apply(cry, RATE_HZ, 2.0))
    bins = np.arange(len(up)) / 2 ** (2 / 12)
    expected = np.interp(bins, np.arange(len(up)), spectrum(cry))
    below = slice(0, 2**16 * 5000 // RATE_HZ)
    # The cry glides meanwhile, so the two differ in detail.
    assert np.corrcoef(up[below], expected[below])[0, 1] > 0.9
    assert np.corrcoef(up[below], spectrum(cry)[below])[0, 1] < 0.5


def test_the_envelope_stays_where_it_was(cry):
    def envelope(sound):
        return np.sqrt(np.square(sound[:32_000]).reshape(-1, 800).mean(axis=1))

    for semitones in (-2.0, 2.0):
        shifted = PitchShift().apply(cry, RATE_HZ, semitones)
        assert np.corrcoef(envelope(cry), envelope(shifted))[0, 1] > 0.95


def test_no_shift_changes_nothing(cry):
    np.testing.assert_array_equal(PitchShift().apply(cry, RATE_HZ, 0.0), cry)


def test_shifts_are_drawn_over_the_range_only(rng):
    drawn = [PitchShift(-1, 2).draw(rng, 1, RATE_HZ) for _ in range(500)]
    assert -1 <= min(drawn) < -0.9
    assert 1.9 < max(drawn) <= 2


@pytest.mark.parametrize("range_", [(-5, 0), (0, 5), (2, 1)])
def test_a_range_that_no_infant_has_is_refused(range_):
    with pytest.raises(ValueError, match="at least -4 and at most 4"):
        PitchShift(*range_)
