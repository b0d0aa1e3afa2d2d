"""Household sounds that come and go: knocks, steps, dishes, beeps, whistles.

Every function takes `(samples, character, rng)`, as in `steady_sounds`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from cry_tf.synthesis.steady_sounds import coloured_noise
from cry_tf.synthesis.voice import SAMPLE_RATE_HZ


def _moments(
    samples: int, rng: np.random.Generator, gap_s: Callable[[], float]
) -> Iterator[int]:
    """Yields the start samples of repeated events, the first near the start."""
    position = rng.uniform(0.0, 0.4) * SAMPLE_RATE_HZ
    while position < samples:
        yield int(position)
        position += max(gap_s(), 0.02) * SAMPLE_RATE_HZ


def add_at(out: np.ndarray, sound: np.ndarray, start: int) -> None:
    """Adds a sound into a longer one, cut at its end."""
    end = min(len(out), start + len(sound))
    if start < end:
        out[start:end] += sound[: end - start]


def _struck(
    pitches_hz: np.ndarray, decays: np.ndarray, levels: np.ndarray, length_s: float
) -> np.ndarray:
    """A struck body: partials that die away, each at its own rate."""
    time_s = np.arange(int(length_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    partials = np.sin(2 * np.pi * np.outer(pitches_hz, time_s))
    partials *= np.exp(-np.outer(decays, time_s))
    return levels @ partials


def door_knock(
    samples: int, character: np.random.Generator, rng: np.random.Generator
) -> np.ndarray:
    """Knuckles on a door, some in a row."""
    modes_hz = character.uniform(90, 900, size=6)
    decays = character.uniform(25, 70, size=6)
    out = np.zeros(samples)
    for first in _moments(samples, rng, lambda: rng.uniform(1.5, 3)):
        gap = int(rng.uniform(0.15, 0.28) * SAMPLE_RATE_HZ)
        for index in range(rng.integers(2, 6)):
            knock = _struck(modes_hz, decays, rng.uniform(0.3, 1, size=6), 0.15)
            knock[:80] += rng.standard_normal(80) * np.linspace(1, 0, 80)
            add_at(out, knock, first + index * gap)
    return out


def footsteps(
    samples: int, character: np.random.Generator, rng: np.random.Generator
) -> np.ndarray:
    """Steps on a floor: a thud and a scrape."""
    floor_hz = character.uniform(60, 160, size=3)
    pace_s = character.uniform(0.4, 0.7)
    hardness_hz = character.uniform(500, 4_000)
    hz = np.linspace(0, SAMPLE_RATE_HZ / 2, 257)
    out = np.zeros(samples)
    for start in _moments(samples, rng, lambda: pace_s * rng.uniform(0.9, 1.1)):
        step = _struck(floor_hz, np.full(3, 35.0), rng.uniform(0.5, 1, size=3), 0.2)
        scrape = coloured_noise(len(step), rng, 1 / (1 + (hz / hardness_hz) ** 2))
        step += scrape * np.exp(-np.arange(len(step)) / (0.02 * SAMPLE_RATE_HZ))
        add_at(out, step * rng.uniform(0.6, 1), start)
    return out


def dishes(
    samples: int, character: np.random.Generator, rng: np.random.Generator
) -> np.ndarray:
    """Plates and cutlery: high inharmonic clinks at odd moments."""
    plates_hz = character.uniform(1_200, 6_500, size=(4, 5))
    out = np.zeros(samples)
    for start in _moments(samples, rng, lambda: rng.exponential(0.35)):
        plate = plates_hz[rng.integers(4)] * rng.uniform(0.97, 1.03)
        clink = _struck(
            plate, rng.uniform(15, 60, size=5), rng.uniform(0.2, 1, size=5), 0.3
        )
        add_at(out, clink * rng.uniform(0.2, 1), start)
    return out


def clock_tick(
    samples: int, character: np.random.Generator, rng: np.random.Generator
) -> np.ndarray:
    """A wall clock, tick and tock."""
    modes_hz = character.uniform(1_500, 6_000, size=(2, 4))
    half = int(character.choice([0.25, 0.5, 1.0]) * SAMPLE_RATE_HZ)
    out = np.zeros(samples)
    for index, start in enumerate(range(rng.integers(half), samples, half)):
        tick = _struck(modes_hz[index % 2], np.full(4, 250.0), np.ones(4), 0.04)
        add_at(out, tick, start)
    return out


def alarm_beeps(
    samples: int, character: np.random.Generator, rng: np.random.Generator
) -> np.ndarray:
    """An electronic alarm: groups of equal beeps of one pitch."""
    pitch_hz = character.uniform(700, 3_500)
    beep_s, gap_s = character.uniform(0.05, 0.3), character.uniform(0.05, 0.4)
    group, rest_s = character.integers(1, 5), character.uniform(0.2, 1.0)
    time_s = np.arange(int(beep_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    beep = np.zeros(len(time_s))
    for order in (1, 3, 5):  # a square wave, as far as it fits
        if order * pitch_hz < 7_500:
            beep += np.sin(2 * np.pi * order * pitch_hz * time_s) / order
    beep *= np.clip(np.minimum(time_s, beep_s - time_s) / 0.004, 0, 1)
    out = np.zeros(samples)
    period_s = group * (beep_s + gap_s) + rest_s
    for first in _moments(samples, rng, lambda: period_s):
        for index in range(group):
            add_at(out, beep, first + int(index * (beep_s + gap_s) * SAMPLE_RATE_HZ))
    return out


def kettle_whistle(
    samples: int, character: np.random.Generator, rng: np.random.Generator
) -> np.ndarray:
    """Steam: a hiss, then a whistle that rises and trembles."""
    time_s = np.arange(samples) / SAMPLE_RATE_HZ
    grown = 1 - np.exp(-(time_s + rng.uniform(0.2, 2)) / character.uniform(0.5, 2))
    knots = rng.standard_normal(int(samples / 800) + 2)
    tremble = np.interp(np.arange(samples) / 800, np.arange(len(knots)), knots)
    pitch_hz = character.uniform(1_500, 3_200) * (0.85 + 0.15 * grown)
    turn = 2 * np.pi * np.cumsum(pitch_hz * (1 + 0.004 * tremble)) / SAMPLE_RATE_HZ
    hz = np.linspace(0, SAMPLE_RATE_HZ / 2, 257)
    hiss = coloured_noise(samples, rng, hz / 4_000)
    return grown * (np.sin(turn) + 0.2 * np.sin(2 * turn)) + 0.15 * hiss
