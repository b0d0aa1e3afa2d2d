"""Voices in a home that are not an infant's: talk, dogs, cats.

They share pitch, harmonics and resonances with a cry, so they are the hard
part of "not a cry". Every function takes `(samples, character, rng)`, as in
`steady_sounds`.
"""

from __future__ import annotations

import numpy as np

from cry_tf.synthesis.brief_sounds import add_at
from cry_tf.synthesis.melody import melody
from cry_tf.synthesis.voice import (
    CONTROL_SAMPLES,
    SAMPLE_RATE_HZ,
    control_frames,
    turbulence,
    voiced,
)

# Peterson and Barney, 1952, men's averages of F1 to F3, Hz; the fourth is typical.
_VOWELS_HZ = np.array(
    [
        [270, 2_290, 3_010, 3_600],  # i
        [530, 1_840, 2_480, 3_600],  # e
        [730, 1_090, 2_440, 3_500],  # a
        [570, 840, 2_410, 3_400],  # o
        [300, 870, 2_240, 3_300],  # u
        [490, 1_350, 1_690, 3_300],  # er
    ]
)
_ADULT_BANDWIDTHS_HZ = np.array([80.0, 110.0, 160.0, 250.0])


def _unit(waveform: np.ndarray) -> np.ndarray:
    return waveform / (np.sqrt(np.mean(waveform**2)) + 1e-12)


def speech(
    samples: int, character: np.random.Generator, rng: np.random.Generator
) -> np.ndarray:
    """Talk without words: vowels, hisses and pauses of an adult or a child."""
    f0_hz = float(np.exp(character.uniform(np.log(85), np.log(280))))
    size = 0.95 + 0.25 * np.clip((f0_hz - 85) / 200, 0, 1)
    tilt_hz = character.uniform(900, 2_500)
    frames = control_frames(samples)
    knots, targets, levels, hisses = [0.0], [], [0.0], [0.0]
    frame = 0.0
    syllables_left = rng.integers(2, 9)
    while frame < frames + 60:
        syllable = rng.uniform(0.11, 0.3) * SAMPLE_RATE_HZ / CONTROL_SAMPLES
        is_hissing = rng.random() < 0.5
        knots += [frame + 0.3 * syllable, frame + 0.8 * syllable, frame + syllable]
        loud = rng.uniform(0.4, 1)
        levels += [loud, loud, 0.05]
        hisses += [0.0, 0.0, rng.uniform(0.1, 0.5) if is_hissing else 0.0]
        targets.append((frame + 0.5 * syllable, rng.integers(len(_VOWELS_HZ))))
        frame += syllable
        syllables_left -= 1
        if syllables_left <= 0:  # the end of a phrase
            knots += [frame + 8]
            levels += [0.0]
            hisses += [0.0]
            frame += rng.uniform(0.2, 1.0) * SAMPLE_RATE_HZ / CONTROL_SAMPLES
            syllables_left = rng.integers(2, 9)
            knots += [frame - 1]
            levels += [0.0]
            hisses += [0.0]
    moments = np.arange(frames)
    centres = np.array([centre for centre, _ in targets])
    vowels = _VOWELS_HZ[[vowel for _, vowel in targets]] * size
    formants = np.stack(
        [np.interp(moments, centres, vowels[:, index]) for index in range(4)], axis=1
    )
    at = np.arange(samples) / CONTROL_SAMPLES
    level = np.interp(at, knots, levels)
    bends = rng.normal(0, 2.0, size=int(samples / 3_000) + 2)
    semitones = np.interp(np.arange(samples) / 3_000, np.arange(len(bends)), bends)
    voice = voiced(
        f0_hz * 2 ** (semitones / 12), formants, _ADULT_BANDWIDTHS_HZ, tilt_hz=tilt_hz
    )
    hiss_formants = np.broadcast_to(
        np.array([2_500.0, 4_500.0, 6_000.0, 7_000.0]), (frames, 4)
    )
    hiss = turbulence(rng, samples, hiss_formants, np.full(4, 1_200.0))
    return _unit(voice) * level + _unit(hiss) * np.interp(at, knots, hisses)


def _call(
    f0_hz: np.ndarray,
    envelope: np.ndarray,
    first_formant_hz: tuple[float, float],
    breath: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """One call of an animal, through a mouth that opens and closes."""
    frames = control_frames(len(f0_hz))
    opening = np.sin(np.pi * np.linspace(0, 1, frames))
    low_hz, high_hz = first_formant_hz
    first = low_hz + (high_hz - low_hz) * opening
    formants = first[:, None] + np.array([0, 1.3, 2.9, 4.6]) * low_hz * 2.5
    widths = np.array([150.0, 220.0, 300.0, 400.0])
    tone = _unit(voiced(f0_hz, formants, widths, tilt_hz=3_000))
    noise = _unit(turbulence(rng, len(f0_hz), formants, widths))
    return ((1 - breath) * tone + breath * noise) * envelope


def dog_bark(
    samples: int, character: np.random.Generator, rng: np.random.Generator
) -> np.ndarray:
    """Barks: short, rough, abrupt, in groups."""
    f0_hz = character.uniform(130, 420)
    mouth_hz = (character.uniform(300, 420), character.uniform(650, 900))
    roughness = character.uniform(0.06, 0.15)
    out = np.zeros(samples)
    position = int(rng.uniform(0, 0.5) * SAMPLE_RATE_HZ)
    while position < samples:
        for _ in range(rng.integers(1, 5)):
            length = int(rng.uniform(0.08, 0.18) * SAMPLE_RATE_HZ)
            time = np.linspace(0, 1, length)
            wobble = rng.standard_normal(length // 60 + 2)[np.arange(length) // 60]
            pitch = f0_hz * rng.uniform(0.9, 1.15) * (1.1 - 0.7 * (time - 0.25) ** 2)
            pitch = np.maximum(pitch * (1 + roughness * wobble), 60.0)
            envelope = np.clip(time / 0.06, 0, 1) * np.exp(-4 * time) * (1 - time)
            bark = _call(pitch, envelope, mouth_hz, rng.uniform(0.3, 0.6), rng)
            add_at(out, bark * rng.uniform(0.6, 1), position)
            position += length + int(rng.uniform(0.15, 0.4) * SAMPLE_RATE_HZ)
        position += int(rng.uniform(0.5, 2.0) * SAMPLE_RATE_HZ)
    return out


def cat_meow(
    samples: int, character: np.random.Generator, rng: np.random.Generator
) -> np.ndarray:
    """Meows: the nearest neighbour of a cry in a home."""
    f0_hz = character.uniform(480, 800)
    out = np.zeros(samples)
    position = int(rng.uniform(0, 0.8) * SAMPLE_RATE_HZ)
    while position < samples:
        length = int(rng.uniform(0.35, 0.9) * SAMPLE_RATE_HZ)
        shape = melody("rising_falling", length, 0.35)
        pitch = f0_hz * rng.uniform(0.92, 1.08) * 2 ** (rng.uniform(3, 7) * shape / 12)
        ramp = np.minimum(np.arange(length), np.arange(length)[::-1])
        envelope = np.clip(ramp / (0.015 * SAMPLE_RATE_HZ), 0, 1) * (0.3 + 0.7 * shape)
        meow = _call(pitch, envelope, (450.0, 1_900.0), rng.uniform(0.02, 0.12), rng)
        add_at(out, meow * rng.uniform(0.6, 1), position)
        position += length + int(rng.uniform(0.6, 2.5) * SAMPLE_RATE_HZ)
    return out
