import numpy as np
import pytest

from cry_tf.augment import Level

RATE_HZ = 16_000


def test_the_peak_becomes_what_was_drawn_whatever_it_was(tone):
    for amplitude in (0.5, 1e-3):
        waveform = tone(amplitude=amplitude)
        changed = Level().apply(waveform, RATE_HZ, -20.0)
        assert np.abs(changed).max() == pytest.approx(0.1, rel=1e-5)
        np.testing.assert_allclose(
            changed / np.abs(changed).max(),
            waveform / np.abs(waveform).max(),
            atol=1e-6,
        )


def test_the_whole_range_is_drawn(rng):
    drawn = [Level(-36, -1).draw(rng, 100, RATE_HZ) for _ in range(500)]
    assert -36 <= min(drawn) < -35
    assert -2 < max(drawn) <= -1


def test_a_peak_beyond_full_scale_is_refused():
    with pytest.raises(ValueError, match="max_peak_db=3"):
        Level(-6, 3)
