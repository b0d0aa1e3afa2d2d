import librosa
import numpy as np
import pytest
import soundfile

from cry_tf.data import load
from cry_tf.training import baselines

RATE_HZ = 16_000


@pytest.fixture
def waveform(rng):
    time_s = np.arange(RATE_HZ) / RATE_HZ
    wave = 0.3 * np.sin(2 * np.pi * 450 * time_s) + 0.05 * rng.normal(size=RATE_HZ)
    return wave.astype("float32")


def test_coefficients_are_librosas_on_the_same_bands(waveform):
    spec = baselines.front_end(None)
    spectrum = librosa.stft(
        np.pad(waveform.astype("float64"), (0, 512)),
        n_fft=512,
        hop_length=160,
        window=np.pad(librosa.filters.get_window("hann", 400), (0, 112)),
        center=False,
    )
    mel = librosa.filters.mel(
        sr=RATE_HZ, n_fft=512, n_mels=40, fmin=50, fmax=8000, htk=True, norm=None
    )
    bands = np.log(mel @ np.abs(spectrum) ** 2 + 1e-3)
    expected = librosa.feature.mfcc(S=bands, n_mfcc=20).T
    found = baselines.mfcc(waveform, spec)
    assert found.shape == (98, 20)
    # Whole frames only, in float32. librosa's triangles are linear in Hz, ours in
    # mel: lower bands differ by some hundredths of a nat.
    np.testing.assert_allclose(found, expected[:98], atol=0.6)
    assert np.corrcoef(found.ravel(), expected[:98].ravel())[0, 1] > 0.9999


def test_nothing_above_the_cutoff_is_heard(rng):
    spec = baselines.front_end(3_600.0)
    time_s = np.arange(RATE_HZ) / RATE_HZ
    quiet = baselines.mfcc(1e-3 * np.sin(2 * np.pi * 400 * time_s), spec)
    high = 1e-3 * np.sin(2 * np.pi * 400 * time_s)
    high = high + 1e-3 * np.sin(2 * np.pi * 5_000 * time_s)
    # A Hann window leaks 1e-7 of a tone so far away.
    np.testing.assert_allclose(baselines.mfcc(high, spec), quiet, atol=1e-2)


def test_deltas_are_the_slope_of_a_line():
    ramp = np.outer(np.arange(20.0), [1.0, -2.0]).astype("float32")
    found = baselines.with_deltas(ramp)
    np.testing.assert_array_equal(found[:, :2], ramp)
    np.testing.assert_allclose(found[2:-2, 2:], np.tile([1.0, -2.0], (16, 1)))
    assert baselines.with_deltas(ramp[:1]).shape == (1, 4)


def test_a_second_time_nothing_is_decoded(tmp_path, waveform, monkeypatch):
    for label in ("a", "b"):
        (tmp_path / "data" / label).mkdir(parents=True)
        soundfile.write(tmp_path / "data" / label / "0.wav", waveform, RATE_HZ)
    dataset = load(tmp_path / "data")
    told = []
    first = baselines.compute(dataset, tmp_path / "cache", None, lambda: told.append(1))
    assert len(told) == 2
    monkeypatch.delattr("cry_tf.data.decoding.read")
    again = baselines.compute(dataset, tmp_path / "cache", None)
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(AttributeError):  # other numbers are another entry
        baselines.compute(dataset, tmp_path / "cache", 3_000.0)
