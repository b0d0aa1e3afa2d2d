"""Household sounds that last: noises, motors, water, music.

Every function takes `(samples, character, rng)`: `character` is what the home's
own appliance sounds like, the same on every call; `rng` is this occasion. It
returns float `(samples,)`, dry, of any level.
"""

from __future__ import annotations

import numpy as np

from cry_tf.synthesis.room import shape_spectrum
from cry_tf.synthesis.voice import SAMPLE_RATE_HZ

_BINS_HZ = np.linspace(0, SAMPLE_RATE_HZ / 2, 513)


def coloured_noise(
    samples: int, rng: np.random.Generator, gain: np.ndarray
) -> np.ndarray:
    """White Gaussian noise through a gain `(bins,)` from 0 to 8 kHz."""
    return shape_spectrum(rng.standard_normal(samples, dtype=np.float32), gain)


def _band(low_hz: float, high_hz: float) -> np.ndarray:
    """A soft band-pass gain over `_BINS_HZ`."""
    ratio = np.maximum(_BINS_HZ, 1.0)
    return 1 / np.sqrt(1 + (low_hz / ratio) ** 4) / np.sqrt(1 + (ratio / high_hz) ** 6)


def _wander(samples: int, rng: np.random.Generator, every_s: float) -> np.ndarray:
    """A random walk-like path of unit spread, with knots `every_s` apart."""
    knots = rng.standard_normal(int(samples / (every_s * SAMPLE_RATE_HZ)) + 2)
    return np.interp(
        np.arange(samples) / (every_s * SAMPLE_RATE_HZ), np.arange(len(knots)), knots
    )


def quiet(
    samples: int, character: np.random.Generator, rng: np.random.Generator
) -> np.ndarray:
    """Nothing: what remains is the noise of the recording device."""
    del character, rng
    return np.zeros(samples, np.float32)


def white_noise(
    samples: int, character: np.random.Generator, rng: np.random.Generator
) -> np.ndarray:
    """A white-noise machine."""
    return coloured_noise(samples, rng, _band(character.uniform(20, 200), 9_000))


def pink_noise(
    samples: int, character: np.random.Generator, rng: np.random.Generator
) -> np.ndarray:
    """Noise that falls by 3 to 6 dB an octave: traffic, wind, a distant room."""
    slope = character.uniform(0.5, 1.0)
    return coloured_noise(samples, rng, np.maximum(_BINS_HZ, 40.0) ** -slope)


def rain(
    samples: int, character: np.random.Generator, rng: np.random.Generator
) -> np.ndarray:
    """Hiss, and drops that strike something near."""
    hiss = coloured_noise(samples, rng, _band(character.uniform(300, 1_200), 7_000))
    drops = np.zeros(samples, np.float32)
    count = rng.poisson(character.uniform(20, 120) * samples / SAMPLE_RATE_HZ)
    drops[rng.integers(samples, size=count)] = rng.exponential(6, size=count)
    centre_hz = character.uniform(1_000, 4_000)
    return hiss + shape_spectrum(drops, _band(centre_hz * 0.6, centre_hz * 1.6))


def water(
    samples: int, character: np.random.Generator, rng: np.random.Generator
) -> np.ndarray:
    """A tap: noise that gurgles, and bubbles that chirp upwards."""
    base = coloured_noise(samples, rng, _band(character.uniform(300, 700), 5_000))
    base *= 1 + 0.4 * _wander(samples, rng, 0.05)
    length = int(0.04 * SAMPLE_RATE_HZ)
    time_s = np.arange(length) / SAMPLE_RATE_HZ
    count = rng.poisson(25 * samples / SAMPLE_RATE_HZ)
    starts = rng.integers(max(1, samples - length), size=count)
    for start in starts:
        pitch_hz = rng.uniform(500, 2_200) * (1 + 8 * time_s)
        bubble = np.sin(2 * np.pi * pitch_hz * time_s) * np.exp(-time_s * 90)
        end = min(samples, start + length)
        base[start:end] += rng.uniform(0.1, 0.8) * bubble[: end - start]
    return base


def _motor(
    samples: int,
    rotation_hz: float,
    harmonics: int,
    slope: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """The hum of a rotating machine, with a speed that wanders."""
    speed = rotation_hz * (1 + 0.004 * _wander(samples, rng, 0.3))
    turn = 2 * np.pi * np.cumsum(speed) / SAMPLE_RATE_HZ
    hum = np.zeros(samples, np.float32)
    for order in range(1, harmonics + 1):
        if order * rotation_hz > 7_500:
            break
        level = order**-slope * rng.uniform(0.4, 1)
        hum += level * np.sin(order * turn + rng.uniform(0, 6.28)).astype(np.float32)
    return hum


def vacuum_cleaner(
    samples: int, character: np.random.Generator, rng: np.random.Generator
) -> np.ndarray:
    """A fast motor with whining harmonics under a roar of air."""
    hum = _motor(samples, character.uniform(180, 420), 16, 0.7, rng)
    air = coloured_noise(samples, rng, _band(200, character.uniform(2_500, 6_000)))
    strokes = 1 + 0.2 * _wander(samples, rng, 0.8)
    return (character.uniform(0.3, 1.0) * hum + 1.5 * air) * strokes


def fan(
    samples: int, character: np.random.Generator, rng: np.random.Generator
) -> np.ndarray:
    """Blades: a low hum, and air that throbs with them."""
    blades_hz = character.uniform(15, 60)
    hum = _motor(samples, 2 * blades_hz, 6, 1.0, rng)
    air = coloured_noise(samples, rng, np.maximum(_BINS_HZ, 80.0) ** -0.8)
    air /= np.sqrt(np.mean(air**2)) + 1e-12
    time_s = np.arange(samples) / SAMPLE_RATE_HZ
    throb = 1 + 0.3 * np.sin(2 * np.pi * blades_hz * time_s)
    return air * throb + character.uniform(0.05, 0.5) * hum


def washing_machine(
    samples: int, character: np.random.Generator, rng: np.random.Generator
) -> np.ndarray:
    """A drum that turns slowly: hum, thuds and sloshing."""
    turns_hz = character.uniform(0.6, 1.6)
    time_s = np.arange(samples) / SAMPLE_RATE_HZ
    swing = 0.5 + 0.5 * np.sin(2 * np.pi * turns_hz * time_s + rng.uniform(0, 6.28))
    slosh = coloured_noise(samples, rng, _band(150, character.uniform(900, 2_500)))
    return slosh * swing**2 + 0.4 * _motor(samples, 100.0, 8, 1.0, rng)


def music(
    samples: int, character: np.random.Generator, rng: np.random.Generator
) -> np.ndarray:
    """A tune with chords, as from a television or a music box."""
    out = np.zeros(samples + SAMPLE_RATE_HZ, np.float32)
    beat_s = character.uniform(0.18, 0.5)
    decay = character.uniform(1.5, 8)
    tilt = character.uniform(0.8, 2.0)
    length = SAMPLE_RATE_HZ
    time_s = np.arange(length) / SAMPLE_RATE_HZ
    envelope = np.exp(-decay * time_s) * np.clip(time_s / 0.01, 0, 1)
    envelope *= np.clip((1 - time_s) / 0.05, 0, 1)
    scale = np.array([0, 2, 4, 7, 9, 12, 14, 16])
    root_hz = character.choice([131.0, 165.0, 196.0, 262.0, 330.0, 523.0])
    position = 0
    while position < samples:
        for _ in range(rng.choice([1, 1, 2, 3])):
            pitch_hz = root_hz * 2 ** (rng.choice(scale) / 12)
            turn = 2 * np.pi * pitch_hz * time_s
            note = np.zeros(length)
            for order in range(1, min(9, int(7_500 / pitch_hz) + 1)):
                note += order**-tilt * np.sin(order * turn)
            out[position : position + length] += rng.uniform(0.4, 1) * note * envelope
        position += int(beat_s * rng.choice([1, 1, 2]) * SAMPLE_RATE_HZ)
    return out[:samples]
