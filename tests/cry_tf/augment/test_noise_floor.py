import numpy as np
import pytest

from cry_tf.augment import NoiseFloor
from cry_tf.augment.noise_floor import Floor

RATE_HZ = 16_000


@pytest.mark.parametrize("colour", [0.0, 0.9, 0.98])
def test_the_noise_has_the_level_drawn(colour, tone):
    waveform = tone(seconds=4.0)
    floor = Floor(level_db=-40.0, colour=colour, seed=1)
    noise = NoiseFloor().apply(waveform, RATE_HZ, floor) - waveform
    assert 20 * np.log10(noise.std()) == pytest.approx(-40, abs=1)


def test_coloured_noise_falls_to_high_frequencies(tone):
    waveform = tone(seconds=4.0)
    power = {}
    for colour in (0.0, 0.9):
        floor = Floor(level_db=-40.0, colour=colour, seed=1)
        noise = NoiseFloor().apply(waveform, RATE_HZ, floor) - waveform
        spectrum = np.abs(np.fft.rfft(noise)) ** 2
        half = len(spectrum) // 2
        power[colour] = spectrum[half:].sum() / spectrum[:half].sum()
    assert power[0.0] == pytest.approx(1, abs=0.1)
    assert power[0.9] < 0.05


def test_every_second_noise_is_white(rng):
    drawn = [NoiseFloor().draw(rng, 100, RATE_HZ) for _ in range(400)]
    assert np.mean([each.colour == 0 for each in drawn]) == pytest.approx(0.5, abs=0.1)
    assert all(-80 <= each.level_db <= -42 and each.colour < 0.98 for each in drawn)


def test_a_wrong_range_is_refused():
    with pytest.raises(ValueError, match="min_level_db=-40, max_level_db=-60"):
        NoiseFloor(-40, -60)
    with pytest.raises(ValueError, match="colour"):
        NoiseFloor(max_colour=1.0)
