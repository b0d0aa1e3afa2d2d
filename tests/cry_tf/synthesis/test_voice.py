import numpy as np
import pytest

from cry_tf.synthesis.voice import (
    SAMPLE_RATE_HZ,
    control_frames,
    pulse_harmonics,
    turbulence,
    vocal_tract,
    voiced,
)

WIDTHS_HZ = np.array([140.0, 240.0, 380.0, 600.0])
TUBE_HZ = 1_180.0 * np.array([1.0, 3.0, 5.0, 7.0])


def formants(samples: int) -> np.ndarray:
    return np.tile(TUBE_HZ, (control_frames(samples), 1))


def measured_f0_hz(waveform: np.ndarray) -> float:
    """Autocorrelation: the first lag nearly as good as the best, refined."""
    length = 1 << (2 * len(waveform)).bit_length()
    power = np.abs(np.fft.rfft(waveform, length)) ** 2
    correlation = np.fft.irfft(power)[: len(waveform)]
    low, high = SAMPLE_RATE_HZ // 1_900, SAMPLE_RATE_HZ // 90
    good = correlation > 0.93 * correlation[low:high].max()
    inner = correlation[1:-1]
    tops = (inner >= correlation[:-2]) & (inner > correlation[2:]) & good[1:-1]
    best = low + int(np.argmax(tops[low - 1 : high]))
    left, top, right = correlation[best - 1 : best + 2]
    return SAMPLE_RATE_HZ / (best + 0.5 * (left - right) / (left - 2 * top + right))


def test_the_source_falls_by_six_db_an_octave():
    levels_db = 20 * np.log10(np.abs(pulse_harmonics(0.6, 64)))
    # Band means, because a Rosenberg pulse has zeros between.
    octaves_db = [
        levels_db[4:8].mean(),
        levels_db[8:16].mean(),
        levels_db[16:32].mean(),
    ]
    assert np.diff(octaves_db) == pytest.approx([-6, -6], abs=2.5)


def test_the_source_has_unit_power():
    assert np.sum(np.abs(pulse_harmonics(0.6, 40)) ** 2) == pytest.approx(1, rel=1e-5)


def test_the_tract_of_a_uniform_tube_is_the_inverse_cosine_between_resonances():
    # A lossless tube closed at one end: 1 / cos(pi f / 2 F1) (Fant, 1960). Losses
    # matter near the resonances only, so the reference is read between them.
    hz = np.array([[200.0, 500.0, 2_360.0, 2_900.0, 4_720.0, 5_200.0, 7_080.0]])
    found_db = 20 * np.log10(np.abs(vocal_tract(hz, TUBE_HZ[None], WIDTHS_HZ)))
    expected_db = -20 * np.log10(np.abs(np.cos(np.pi * hz / (2 * TUBE_HZ[0]))))
    # Fant's correction is the first term of a series: 3 dB at the end of the band.
    np.testing.assert_allclose(found_db, expected_db, atol=3)


def test_the_tract_passes_0_hz_unchanged():
    response = vocal_tract(np.zeros((1, 1)), TUBE_HZ[None], WIDTHS_HZ)
    assert response == pytest.approx(1)


@pytest.mark.parametrize("f0_hz", [120.0, 330.0, 451.0, 600.0, 1_400.0])
def test_the_pitch_is_the_one_asked_for(f0_hz):
    sung = voiced(np.full(8_000, f0_hz), formants(8_000), WIDTHS_HZ, tilt_hz=3_000)
    assert measured_f0_hz(sung) == pytest.approx(f0_hz, rel=0.003)


def test_spectral_peaks_lie_at_the_resonances():
    # Whispering shows the tract alone, without harmonics in the way.
    rng = np.random.default_rng(0)
    samples = 8 * SAMPLE_RATE_HZ
    breath = turbulence(rng, samples, formants(samples), WIDTHS_HZ)
    frames = breath.reshape(-1, 512) * np.hanning(512)
    power = np.mean(np.abs(np.fft.rfft(frames)) ** 2, axis=0)
    hz = np.fft.rfftfreq(512, 1 / SAMPLE_RATE_HZ)
    for resonance_hz in TUBE_HZ[:3]:
        near = np.abs(hz - resonance_hz) < 900
        assert hz[near][np.argmax(power[near])] == pytest.approx(resonance_hz, abs=150)


def test_the_strongest_harmonic_is_the_one_at_the_first_resonance():
    sung = voiced(np.full(16_000, 400.0), formants(16_000), WIDTHS_HZ, tilt_hz=5_000)
    power = np.abs(np.fft.rfft(sung))
    assert np.argmax(power) == pytest.approx(1_200, abs=3)


def test_nothing_folds_back_at_the_end_of_the_band():
    sung = voiced(
        np.linspace(900, 1_700, 16_000), formants(16_000), WIDTHS_HZ, tilt_hz=9_000
    )
    # The second half sings 1300 to 1700 Hz: below 1 kHz there is nothing to hear.
    power = np.abs(np.fft.rfft(sung[8_000:] * np.hanning(8_000))) ** 2
    assert power[: 1_000 // 2].sum() < 1e-4 * power.sum()


def test_subharmonics_halve_the_pitch():
    samples = 16_000
    plain = voiced(np.full(samples, 500.0), formants(samples), WIDTHS_HZ, tilt_hz=3_000)
    doubled = voiced(
        np.full(samples, 500.0),
        formants(samples),
        WIDTHS_HZ,
        tilt_hz=3_000,
        subharmonics=np.full(samples, 0.8),
    )
    plain_levels, doubled_levels = np.abs(np.fft.rfft([plain, doubled]))
    assert doubled_levels[250] > 0.01 * doubled_levels.max()
    assert plain_levels[250] < 1e-4 * plain_levels.max()


@pytest.mark.parametrize("samples", [0, 1, 79, 80, 81, 257])
def test_any_length_is_kept(samples):
    rng = np.random.default_rng(0)
    sung = voiced(np.full(samples, 400.0), formants(samples), WIDTHS_HZ, tilt_hz=3_000)
    blown = turbulence(rng, samples, formants(samples), WIDTHS_HZ)
    assert sung.shape == blown.shape == (samples,)
    assert np.isfinite(sung).all()
    assert np.isfinite(blown).all()
