import numpy as np
import pytest

from cry_tf.augment import Equalize
from cry_tf.augment.equalize import Response

RATE_HZ = 16_000


def test_each_frequency_gains_what_was_drawn(tone):
    drawn = Response((0.0, 0.0, -6.0, 0.0, 6.0, 0.0, -12.0))
    for hz, gain_db in ((400, -6.0), (1_800, 6.0), (4_000, -12.0), (7_000, -12.0)):
        waveform = tone(hz, amplitude=0.1)
        changed = Equalize().apply(waveform, RATE_HZ, drawn)
        middle = slice(2_000, -2_000)
        ratio = changed[middle].std() / waveform[middle].std()
        assert 20 * np.log10(ratio) == pytest.approx(gain_db, abs=0.5)


def test_the_end_does_not_come_round_to_the_beginning():
    click = np.zeros(8_000, np.float32)
    click[-1] = 0.5
    drawn = Equalize(roll_off=1.0).draw(np.random.default_rng(0), 8_000, RATE_HZ)
    changed = Equalize().apply(click, RATE_HZ, drawn)
    assert np.abs(changed[:100]).max() < 1e-3


def test_gains_stay_in_their_range_and_low_ones_may_be_removed(rng):
    usual, rolled = Equalize(roll_off=0.0), Equalize(roll_off=1.0)
    for _ in range(100):
        assert np.abs(usual.draw(rng, 1, RATE_HZ).gains_db).max() <= 15
        assert rolled.draw(rng, 1, RATE_HZ).gains_db[0] <= -10


def test_wrong_numbers_are_refused():
    with pytest.raises(ValueError, match="step_db"):
        Equalize(step_db=0)
    with pytest.raises(ValueError, match="roll_off=2"):
        Equalize(roll_off=2)
