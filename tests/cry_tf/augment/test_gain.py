import numpy as np
import pytest

from cry_tf.augment import Gain

RATE_HZ = 16_000


def test_the_level_changes_by_the_decibels_drawn(tone):
    waveform = tone(amplitude=0.1)
    for gain_db in (-12.0, 0.0, 6.0):
        louder = Gain().apply(waveform, RATE_HZ, gain_db)
        ratio_db = 20 * np.log10(louder.std() / waveform.std())
        assert ratio_db == pytest.approx(gain_db, abs=1e-4)


def test_a_gain_beyond_full_scale_ends_there_with_its_shape_kept(tone):
    waveform = tone(amplitude=0.8)
    louder = Gain().apply(waveform, RATE_HZ, 6.0)
    assert np.abs(louder).max() == 1.0
    peak = np.abs(waveform).max()
    np.testing.assert_allclose(louder, waveform / peak, atol=1e-6)


def test_the_whole_range_is_drawn(rng):
    drawn = [Gain(-12, 6).draw(rng, 100, RATE_HZ) for _ in range(500)]
    assert -12 <= min(drawn) < -11
    assert 5 < max(drawn) <= 6


def test_a_wrong_range_is_refused():
    with pytest.raises(ValueError, match="min_gain_db=6, max_gain_db=-6"):
        Gain(6, -6)
