import dataclasses

import numpy as np
import pytest

from cry_tf.synthesis.burst import Burst, render_burst
from cry_tf.synthesis.infant import Infant
from cry_tf.synthesis.voice import SAMPLE_RATE_HZ

STEADY = Infant(
    name="steady",
    base_f0_hz=450,
    tract_length_cm=7.5,
    jitter=0,
    shimmer=0,
    vibrato_semitones=0,
)
PLATEAU = Burst(
    duration_s=1.0, f0_hz=450, melody="plateau", range_semitones=0, breath=0.02
)


def f0_track_hz(waveform: np.ndarray, frame: int = 800) -> np.ndarray:
    """Pitch of successive frames: the first lag nearly as good as the best.

    The window's own autocorrelation is divided out (Boersma, 1993), so that a
    long lag is not worse than a short one.
    """
    window = np.hanning(frame)
    fading = np.correlate(window, window, "full")[frame - 1 :]
    low, high = SAMPLE_RATE_HZ // 2_000, SAMPLE_RATE_HZ // 150
    pitches = []
    for start in range(0, len(waveform) - frame, frame // 2):
        piece = waveform[start : start + frame] * window
        correlation = np.correlate(piece, piece, "full")[frame - 1 :]
        correlation = correlation[: frame // 2] / fading[: frame // 2]
        lags = np.arange(low, high)
        here, good = correlation[lags], 0.93 * correlation[low:high].max()
        tops = (here >= correlation[lags - 1]) & (here > correlation[lags + 1])
        best = lags[np.argmax(tops & (here > good))]
        left, top, right = correlation[best - 1 : best + 2]
        best = best + 0.5 * (left - right) / (left - 2 * top + right)
        pitches.append(SAMPLE_RATE_HZ / best)
    return np.array(pitches)


@pytest.mark.parametrize("f0_hz", [300.0, 377.0, 450.0, 600.0])
def test_the_pitch_measured_is_the_pitch_asked_for(f0_hz, rng):
    sung = render_burst(dataclasses.replace(PLATEAU, f0_hz=f0_hz), STEADY, rng)
    assert np.median(f0_track_hz(sung)) == pytest.approx(f0_hz, rel=0.01)


@pytest.mark.parametrize(("melody", "sign"), [("falling", -1), ("rising", 1)])
def test_the_measured_pitch_follows_the_melody(melody, sign, rng):
    burst = dataclasses.replace(PLATEAU, melody=melody, range_semitones=6)
    track = f0_track_hz(render_burst(burst, STEADY, rng))[4:-4]
    assert sign * np.corrcoef(np.arange(len(track)), track)[0, 1] > 0.9


def test_an_arch_is_highest_at_its_peak(rng):
    burst = dataclasses.replace(
        PLATEAU, melody="rising_falling", range_semitones=6, peak=0.4
    )
    track = f0_track_hz(render_burst(burst, STEADY, rng))
    assert np.argmax(track[2:-2]) + 2 == pytest.approx(0.4 * len(track), abs=2)


def test_hyperphonation_jumps_above_1_khz_and_back(rng):
    burst = dataclasses.replace(
        PLATEAU,
        phonation="hyperphonation",
        mode_start=0.4,
        mode_end=0.8,
        hyperphonation_hz=1_200,
    )
    track = f0_track_hz(render_burst(burst, STEADY, rng))
    count = len(track)
    inside = np.median(track[int(0.5 * count) : int(0.7 * count)])
    assert inside == pytest.approx(1_200, rel=0.02)
    assert np.median(track[: int(0.3 * count)]) == pytest.approx(450, rel=0.02)


def test_dysphonation_is_less_harmonic_than_a_normal_voice(rng):
    def harmonicity(burst: Burst) -> float:
        sung = render_burst(burst, STEADY, rng)
        piece = sung[4_000:12_000]
        lag = round(SAMPLE_RATE_HZ / 450)
        return float(np.corrcoef(piece[:-lag], piece[lag:])[0, 1])

    rough = dataclasses.replace(PLATEAU, phonation="dysphonation")
    assert harmonicity(PLATEAU) > 0.7
    assert harmonicity(rough) < harmonicity(PLATEAU) - 0.2


def test_a_shorter_tract_raises_the_resonances(rng):
    def centroid_hz(length_cm: float) -> float:
        infant = dataclasses.replace(STEADY, tract_length_cm=length_cm)
        breath = dataclasses.replace(PLATEAU, breath=1.0, duration_s=3.0)
        power = np.abs(np.fft.rfft(render_burst(breath, infant, rng))) ** 2
        hz = np.fft.rfftfreq(3 * SAMPLE_RATE_HZ, 1 / SAMPLE_RATE_HZ)
        # Around the first resonance alone.
        near = (hz > 600) & (hz < 2_000)
        return float(
            hz[near][np.argmax(np.convolve(power[near], np.ones(300), "same"))]
        )

    assert centroid_hz(6.6) > 1.1 * centroid_hz(8.4)


def test_a_glottal_stop_interrupts_the_voice(rng):
    sung = render_burst(dataclasses.replace(PLATEAU, stops=(0.5,)), STEADY, rng)
    middle = np.sqrt(np.mean(sung[7_920:8_080] ** 2))
    before = np.sqrt(np.mean(sung[6_000:6_160] ** 2))
    assert middle < 0.1 * before


def test_a_burst_starts_and_ends_without_a_click(rng):
    sung = render_burst(PLATEAU, STEADY, rng)
    assert np.abs(sung[:8]).max() < 0.01 * np.abs(sung).max()
    assert np.abs(sung[-8:]).max() < 0.01 * np.abs(sung).max()


def test_the_same_state_gives_the_same_samples():
    one = render_burst(PLATEAU, STEADY, np.random.default_rng(3))
    other = render_burst(PLATEAU, STEADY, np.random.default_rng(3))
    np.testing.assert_array_equal(one, other)
    assert one.dtype == np.float32


@pytest.mark.parametrize("duration_s", [1e-5, 0.001, 0.01, 0.05])
def test_a_very_short_burst_is_finite(duration_s, rng):
    burst = dataclasses.replace(PLATEAU, duration_s=duration_s, stops=(0.5,))
    assert np.isfinite(render_burst(burst, STEADY, rng)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"melody": "yodel"}, "melody must be one of"),
        ({"phonation": "loud"}, "phonation must be one of"),
        ({"duration_s": 0}, "duration_s=0"),
        ({"f0_hz": -1}, "f0_hz=-1"),
    ],
)
def test_a_wrong_field_is_refused_with_its_value(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(PLATEAU, **change)
