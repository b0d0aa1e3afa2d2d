"""Sounds that show what a network's layers take in, where no clips are given.

They are computed: the same model gives the same file, and no clip that the file is
judged on has had a part in it.
"""

from __future__ import annotations

import numpy as np

_SECONDS = 2.0
# Hz, depth of its swings, bursts a second, how fast harmonics fade, the highest
# harmonic in Hz, dB below full scale, noise beside it.
_VOICES = (
    (420.0, 0.25, 0.8, 0.6, 3800.0, -15.0, 0.01),  # a cry over a telephone's band
    (420.0, 0.25, 0.8, 0.6, 3800.0, -35.0, 0.03),
    (520.0, 0.10, 1.5, 0.9, 7500.0, -20.0, 0.003),
    (330.0, 0.30, 0.6, 0.3, 3800.0, -18.0, 0.1),
    (130.0, 0.20, 3.0, 1.0, 5000.0, -20.0, 0.01),  # speech
    (210.0, 0.15, 2.5, 1.2, 6000.0, -25.0, 0.02),
    (1000.0, 0.60, 1.0, 1.0, 7500.0, -20.0, 0.01),  # whistles
)
_WHITE_DB, _COLOURED_DB = (-12.0, -40.0, -65.0), -25.0
_CLICKS_HZ = 9


def probe_sounds(sample_rate_hz: int) -> list[np.ndarray]:
    """Returns silence, noises, cry-like and speech-like voices, and clicks.

    Args:
        sample_rate_hz: Int, Hz.

    Returns:
        Waveforms, float32 `(samples,)` in [-1, 1], at most 2 s each.
    """
    rng = np.random.default_rng(0)
    samples = round(_SECONDS * sample_rate_hz)
    time = np.arange(samples) / sample_rate_hz
    made = [np.zeros(samples // 2)]
    white = rng.standard_normal(samples)
    made += [white * _gain(db) for db in _WHITE_DB]
    hz = np.maximum(np.fft.rfftfreq(samples, 1 / sample_rate_hz), 30.0)
    for slope in (0.5, 1.0):  # pink and brown
        spectrum = np.fft.rfft(rng.standard_normal(samples)) * hz**-slope
        noise = np.fft.irfft(spectrum, samples)
        made.append(noise / noise.std() * _gain(_COLOURED_DB))
    for pitch, depth, bursts, fading, highest, db, breath in _VOICES:
        swing = 1 + depth * np.sin(2 * np.pi * 1.1 * time)
        swing += 0.02 * np.sin(2 * np.pi * 6 * time)
        phase = 2 * np.pi * np.cumsum(pitch * swing) / sample_rate_hz
        top = min(highest, 0.4 * sample_rate_hz)
        harmonics = np.arange(1, max(2, int(top / pitch)))
        voice = np.sum([np.sin(k * phase) * k**-fading for k in harmonics], axis=0)
        voice *= np.clip(3 * np.sin(2 * np.pi * bursts * time), 0, 1) / voice.std()
        made.append((voice + breath * rng.standard_normal(samples)) * _gain(db))
    clicks = np.zeros(samples)
    clicks[:: max(1, sample_rate_hz // _CLICKS_HZ)] = 0.8
    made.append(clicks)
    return [np.clip(each, -1, 1).astype(np.float32) for each in made]


def _gain(db: float) -> float:
    return 10 ** (db / 20)
