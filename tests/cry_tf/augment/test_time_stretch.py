import numpy as np
import pytest

from cry_tf.augment import TimeStretch
from cry_tf.augment.time_stretch import stretch

RATE_HZ = 16_000


@pytest.mark.parametrize("rate", [0.8, 0.9, 1.03, 1.1, 1.25])
@pytest.mark.parametrize("hz", [250.0, 440.0, 3000.0])
def test_the_length_changes_and_the_pitch_does_not(tone, peak_hz, rate, hz):
    waveform = tone(hz, seconds=2.0)
    stretched = TimeStretch().apply(waveform, RATE_HZ, rate)
    assert len(stretched) == round(len(waveform) / rate)
    assert peak_hz(stretched) == pytest.approx(hz, rel=1e-4)


@pytest.mark.parametrize("rate", [0.9, 1.1])
def test_a_tone_stays_a_clean_tone(tone, rate):
    stretched = TimeStretch().apply(tone(440, 2.0), RATE_HZ, rate)
    inside = stretched[1000:-1000].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(inside * np.blackman(len(inside)))) ** 2
    place = int(np.argmax(spectrum))
    tonal = spectrum[place - 8 : place + 9].sum()
    # Segments start at whole samples: a jitter of up to half of one, 27 of which
    # make half a period, is -29 dB at worst.
    assert 10 * np.log10(tonal / (spectrum.sum() - tonal)) > 30
    assert inside.std() == pytest.approx(0.5 / np.sqrt(2), rel=0.01)


def test_what_happens_happens_earlier_or_later():
    clicks = np.full(32_000, 1e-4, np.float32)
    burst = np.hanning(1600).astype(np.float32)
    for second in (0.4, 1.5):
        clicks[int(second * RATE_HZ) :][:1600] += 0.5 * burst
    for rate in (0.8, 1.25):
        stretched = TimeStretch().apply(clicks, RATE_HZ, rate)
        for second in (0.45, 1.55):  # the middles of the bursts
            around = int(second / rate * RATE_HZ)
            place = around - 1600 + np.argmax(stretched[around - 1600 : around + 1600])
            # Segments may be moved by 10 ms, and a burst lies in two.
            assert abs(place - around) < 0.02 * RATE_HZ


def test_a_rate_of_one_changes_nothing(cry):
    np.testing.assert_array_equal(TimeStretch().apply(cry, RATE_HZ, 1.0), cry)


def test_few_samples_are_interpolated():
    sound = np.arange(1, 11, dtype=np.float32)
    np.testing.assert_allclose(
        stretch(sound, 19, RATE_HZ), np.linspace(1, 10, 19), rtol=1e-6
    )
    assert stretch(sound[:1], 3, RATE_HZ).tolist() == [1, 1, 1]


def test_as_many_clips_get_slower_as_faster(rng):
    drawn = np.array([TimeStretch(0.8, 1.25).draw(rng, 1, 1) for _ in range(1000)])
    assert 0.8 <= drawn.min() < 0.81
    assert 1.24 < drawn.max() <= 1.25
    assert np.mean(drawn < 1) == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("range_", [(1.1, 0.9), (0.4, 1), (1, 2.1)])
def test_a_wrong_range_is_refused(range_):
    with pytest.raises(ValueError, match="min_rate"):
        TimeStretch(*range_)
