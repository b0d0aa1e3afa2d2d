import numpy as np
import pytest

from cry_lite.sound_file import resample
from cry_tf.augment import BandLimit


def power_db(sound, rate_hz, low_hz, high_hz):
    """Power of a stretch of the spectrum, ends of the sound faded."""
    spectrum = np.abs(np.fft.rfft(sound * np.blackman(len(sound)))) ** 2
    hz = np.fft.rfftfreq(len(sound), 1 / rate_hz)
    return 10 * np.log10(spectrum[(hz >= low_hz) & (hz < high_hz)].mean() + 1e-30)


@pytest.mark.parametrize("rate_hz", [16_000, 32_000, 44_100])
@pytest.mark.parametrize("cutoff_hz", [1000.0, 3400.0, 7000.0])
def test_nothing_is_left_above_the_cut_off_and_all_below_the_slope(
    rate_hz, cutoff_hz, rng
):
    noise = rng.uniform(-0.5, 0.5, 2 * rate_hz).astype(np.float32)
    limited = BandLimit().apply(noise, rate_hz, cutoff_hz)
    before = power_db(noise, rate_hz, cutoff_hz, rate_hz / 2)
    assert power_db(limited, rate_hz, cutoff_hz, rate_hz / 2) - before < -60
    below = (rate_hz, 0, 0.9 * cutoff_hz)
    assert power_db(limited, *below) == pytest.approx(power_db(noise, *below), abs=0.05)


def test_nothing_is_delayed(tone):
    waveform = tone(1000, 1.0)
    limited = BandLimit().apply(waveform, 16_000, 3000.0)
    np.testing.assert_allclose(limited[1000:-1000], waveform[1000:-1000], atol=1e-3)


@pytest.mark.parametrize("cutoff_hz", [8000.0, 20_000.0])
def test_a_cut_off_above_the_band_changes_nothing(cry, cutoff_hz):
    np.testing.assert_array_equal(BandLimit().apply(cry, 16_000, cutoff_hz), cry)


def test_sources_of_8_and_44_khz_become_indistinguishable(rng):
    """The same noise through both, at 16 kHz and limited to what 8 kHz has."""
    wide = rng.uniform(-0.5, 0.5, 2 * 44_100).astype(np.float32)
    at_8_khz = resample(wide, 44_100, 8_000)
    sources = [resample(wide, 44_100, 16_000), resample(at_8_khz, 8_000, 16_000)]
    edges = np.arange(0, 8001, 200)

    def spectra(sounds):
        return np.array(
            [
                [
                    power_db(s, 16_000, a, b)
                    for a, b in zip(edges, edges[1:], strict=False)
                ]
                for s in sounds
            ]
        )

    plain = spectra(sources)
    assert np.abs(plain[0] - plain[1]).max() > 50
    limited = spectra([BandLimit().apply(s, 16_000, 3600.0) for s in sources])
    audible = limited.max(axis=0) > limited.max() - 60
    assert np.abs(limited[0] - limited[1])[audible].max() < 0.1


def test_cut_offs_are_drawn_evenly_in_octaves(rng):
    drawn = np.array([BandLimit(2000, 8000).draw(rng, 1, 1) for _ in range(1000)])
    assert 2000 <= drawn.min() < 2050
    assert 7800 < drawn.max() <= 8000
    assert np.mean(drawn < 4000) == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("range_", [(900, 2000), (4000, 3000), (2000, float("inf"))])
def test_a_wrong_range_is_refused(range_):
    with pytest.raises(ValueError, match="cutoff_hz"):
        BandLimit(*range_)
