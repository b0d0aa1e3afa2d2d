"""Tones, cries, a noise folder, and one of each transform."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cry_tf.augment import (
    AddNoise,
    BandLimit,
    CodecLike,
    Equalize,
    Gain,
    Level,
    NoiseFloor,
    PitchShift,
    Reverb,
    TimeShift,
    TimeStretch,
)

RATE_HZ = 16_000


@pytest.fixture
def tone() -> Callable[..., np.ndarray]:
    """Makes a sine of half of full scale."""

    def make(hz=440.0, seconds=1.0, rate_hz=RATE_HZ, amplitude=0.5):
        time_s = np.arange(round(seconds * rate_hz)) / rate_hz
        return (amplitude * np.sin(2 * np.pi * hz * time_s)).astype(np.float32)

    return make


@pytest.fixture
def peak_hz() -> Callable[..., float]:
    """Finds the frequency of a spectrum's highest peak, to 0.06 Hz."""

    def find(sound, rate_hz=RATE_HZ):
        size = 2**18
        spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), size))
        return float(np.argmax(spectrum) * rate_hz / size)

    return find


@pytest.fixture
def cry() -> np.ndarray:
    """Two seconds of a harmonic sound that glides and pauses, with some noise."""
    rng = np.random.default_rng(7)
    time_s = np.arange(2 * RATE_HZ) / RATE_HZ
    f0_hz = 420 + 60 * np.sin(2 * np.pi * 0.7 * time_s)
    phase = 2 * np.pi * np.cumsum(f0_hz) / RATE_HZ
    voice = sum(np.sin(k * phase) / k for k in range(1, 15))
    loudness = np.clip(1.5 * np.sin(2 * np.pi * 0.9 * time_s) + 0.4, 0, 1)
    sound = 0.3 * voice * loudness + 0.002 * rng.standard_normal(len(time_s))
    sound[-1] = 0.05  # no padding, which begins where the end is quiet
    return sound.astype(np.float32)


@pytest.fixture
def noise_folder(tmp_path: Path) -> Path:
    """Three noises: a long one, a short one in a folder below, one at 44.1 kHz."""
    rng = np.random.default_rng(3)
    for name, seconds, rate_hz in (
        ("a.wav", 5.0, RATE_HZ),
        ("below/b.flac", 0.3, RATE_HZ),
        ("c.wav", 3.0, 44_100),
    ):
        path = tmp_path / "noises" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, rng.normal(0, 0.1, round(seconds * rate_hz)), rate_hz)
    return tmp_path / "noises"


@pytest.fixture(
    params=[
        Gain,
        TimeShift,
        TimeStretch,
        PitchShift,
        AddNoise,
        Reverb,
        BandLimit,
        CodecLike,
        Equalize,
        Level,
        NoiseFloor,
    ],
    ids=lambda kind: kind.__name__,
)
def transform(request, noise_folder):
    """Each transform once, with its default ranges."""
    if request.param is AddNoise:
        return AddNoise(noise_folder)
    return request.param()
