"""One breath of a cry: an expiration, or the inspiration between two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cry_tf.synthesis.infant import FORMANT_BANDWIDTHS_HZ, Infant
from cry_tf.synthesis.melody import MELODIES, melody
from cry_tf.synthesis.voice import (
    CONTROL_SAMPLES,
    SAMPLE_RATE_HZ,
    control_frames,
    turbulence,
    voiced,
)

Phonation = Literal["normal", "hyperphonation", "dysphonation"]
PHONATIONS = ("normal", "hyperphonation", "dysphonation")
"""The three modes of an infant's voice (LaGasse, Neal and Lester, 2005)."""


@dataclass(frozen=True, kw_only=True)
class Burst:
    """How one breath is sung. Drawing it is apart from singing it.

    Attributes:
        duration_s: Length, seconds, > 0.
        f0_hz: Mean pitch (geometric, over the whole burst), Hz.
        melody: One of `melody.MELODIES`.
        range_semitones: From the lowest to the highest pitch.
        peak: Where the top of an arc lies, in (0, 1).
        phonation: The mode between `mode_start` and `mode_end`; the rest is
            normal. `hyperphonation` jumps above 1 kHz, `dysphonation` turns
            into noise, irregular cycles and subharmonics.
        mode_start: Part of the duration in [0, 1] at which the mode begins.
        mode_end: Part of the duration in [mode_start, 1] at which it ends.
        hyperphonation_hz: Pitch of the hyperphonation, Hz.
        level: Loudness, 1 for a full cry.
        attack_s: Time to full loudness, seconds: short is a glottal attack.
        release_s: Time from full loudness to none, seconds.
        stops: Positions in (0, 1) of glottal stops, where the voice breaks
            off for some hundredths of a second.
        tremor: Depth of a slow amplitude tremor, 0 to 1.
        breath: Part of the sound that is noise, 0 to 1.
        opening: How far the mouth opens, around 1; scales the first formant.
    """

    duration_s: float
    f0_hz: float
    melody: str = "rising_falling"
    range_semitones: float = 4.0
    peak: float = 0.4
    phonation: Phonation = "normal"
    mode_start: float = 0.0
    mode_end: float = 1.0
    hyperphonation_hz: float = 1_300.0
    level: float = 1.0
    attack_s: float = 0.04
    release_s: float = 0.1
    stops: tuple[float, ...] = ()
    tremor: float = 0.0
    breath: float = 0.05
    opening: float = 1.0

    def __post_init__(self) -> None:
        """Checks the fields that the renderer relies on."""
        if self.melody not in MELODIES:
            raise ValueError(
                f"melody must be one of {', '.join(MELODIES)}. Received: {self.melody}"
            )
        if self.phonation not in PHONATIONS:
            raise ValueError(
                f"phonation must be one of {', '.join(PHONATIONS)}. "
                f"Received: {self.phonation}"
            )
        if not self.duration_s > 0 or not self.f0_hz > 0:
            raise ValueError(
                "duration_s and f0_hz must be positive. Received: "
                f"duration_s={self.duration_s}, f0_hz={self.f0_hz}"
            )

    @property
    def samples(self) -> int:
        """Length of the rendered burst."""
        return max(1, round(self.duration_s * SAMPLE_RATE_HZ))


def _smooth(values: np.ndarray, width: int) -> np.ndarray:
    """A centred moving average that keeps the length."""
    if width < 2 or len(values) <= width:
        return values
    padded = np.pad(values, (width // 2, width - width // 2), mode="edge")
    total = np.cumsum(padded)
    return (total[width:] - total[:-width]) / width


def _mode(burst: Burst) -> np.ndarray:
    """How far the burst is in its mode, `(samples,)` in [0, 1]."""
    samples = burst.samples
    mode = np.zeros(samples)
    if burst.phonation != "normal":
        mode[int(burst.mode_start * samples) : int(burst.mode_end * samples)] = 1
    return _smooth(mode, SAMPLE_RATE_HZ // 20)


def _pitch(
    burst: Burst, infant: Infant, mode: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draws the pitch at every sample, Hz, and the cycle it belongs to."""
    samples = burst.samples
    shape = melody(burst.melody, samples, burst.peak)
    time_s = np.arange(samples) / SAMPLE_RATE_HZ
    semitones = burst.range_semitones * (shape - shape.mean())
    semitones += infant.vibrato_semitones * np.sin(
        2 * np.pi * (infant.vibrato_hz * time_s + rng.random())
    )
    # No melody is drawn with a ruler: a slow wander, knots 60 ms apart.
    knots = rng.standard_normal(int(burst.duration_s / 0.06) + 2)
    semitones += (
        45 * infant.jitter * np.interp(time_s / 0.06, np.arange(len(knots)), knots)
    )
    f0_hz = burst.f0_hz * 2 ** (semitones / 12)
    if burst.phonation == "hyperphonation":
        ratio = burst.hyperphonation_hz / burst.f0_hz
        f0_hz = f0_hz * ratio**mode
    cycle = np.cumsum(f0_hz) / SAMPLE_RATE_HZ
    wobble = rng.standard_normal(int(cycle[-1]) + 2)
    jitter = np.full(samples, infant.jitter)
    if burst.phonation == "dysphonation":
        jitter = jitter + 0.045 * mode
        # Rough voices also wander slowly, over some cycles.
        wobble = wobble + 0.7 * _smooth(wobble, 6)
    steps = np.clip(jitter * wobble[cycle.astype(int)], -0.3, 0.3)
    return f0_hz * (1 + steps), cycle


def _formants(burst: Burst, infant: Infant, rng: np.random.Generator) -> np.ndarray:
    """Draws the path of the resonances, `(control frames, formants)`, Hz."""
    frames = control_frames(burst.samples)
    time = np.linspace(0, 1, frames)
    # The mouth opens for the breath, holds, and closes before its end.
    open_ = np.clip(np.minimum(time / 0.18, (1 - time) / 0.22), 0, 1)
    first = burst.opening * (0.72 + 0.33 * np.sin(0.5 * np.pi * open_))
    drift = rng.uniform(-0.06, 0.06, size=3)
    rest = np.array(infant.formants_hz)
    paths = np.repeat(rest[None], frames, axis=0)
    paths[:, 0] *= first
    for index in range(3):
        paths[:, index + 1] *= 1 + drift[index] * np.cos(np.pi * time)
    return paths


def _loudness(burst: Burst, rng: np.random.Generator) -> np.ndarray:
    """Draws the envelope, `(samples,)` in [0, 1]."""
    samples = burst.samples
    time_s = np.arange(samples) / SAMPLE_RATE_HZ
    attack = np.clip(time_s / min(burst.attack_s, burst.duration_s / 3), 0, 1)
    left_s = burst.duration_s - time_s
    release = np.clip(left_s / min(burst.release_s, burst.duration_s / 2), 0, 1)
    envelope = np.sin(0.5 * np.pi * attack) ** 2 * np.sin(0.5 * np.pi * release) ** 2
    # Lungs empty: the pressure falls slowly after an early top.
    top = rng.uniform(0.2, 0.5)
    envelope *= 1 - 0.5 * np.abs(time_s / burst.duration_s - top) ** 1.5
    if burst.tremor:
        rate_hz = rng.uniform(7, 13)
        wave = np.sin(2 * np.pi * (rate_hz * time_s + rng.random()))
        envelope *= 1 - 0.5 * burst.tremor * (1 + wave)
    for stop in burst.stops:
        half_s = rng.uniform(0.015, 0.04)
        away = np.abs(time_s - stop * burst.duration_s) / half_s
        envelope *= 0.02 + 0.98 * np.clip(2 * (away - 0.5), 0, 1) ** 2
    return envelope


def render_burst(burst: Burst, infant: Infant, rng: np.random.Generator) -> np.ndarray:
    """Sings one breath.

    Args:
        burst: What is sung.
        infant: The crying infant.
        rng: Source of the cycle-to-cycle irregularities and of the noise.

    Returns:
        Float32 `(burst.samples,)`, dry. Its loudest part has a root mean
        square near `burst.level`; peaks may exceed 1, so the caller sets
        the final level.
    """
    mode = _mode(burst)
    f0_hz, cycle = _pitch(burst, infant, mode, rng)
    formants_hz = _formants(burst, infant, rng)
    bandwidths_hz = np.array(FORMANT_BANDWIDTHS_HZ)
    rough = burst.phonation == "dysphonation"
    voice = voiced(
        f0_hz,
        formants_hz,
        bandwidths_hz,
        tilt_hz=infant.tilt_hz,
        subharmonics=0.8 * mode if rough else None,
    )
    noise = turbulence(rng, burst.samples, formants_hz, bandwidths_hz)

    shimmer = 1 + infant.shimmer * rng.standard_normal(int(cycle[-1]) + 3)
    voice *= np.interp(cycle, np.arange(len(shimmer)), shimmer)
    breath = np.full(burst.samples, burst.breath)
    if rough:
        breath = np.maximum(breath, rng.uniform(0.1, 0.45) * mode)
    # Breath leaves in puffs, with the open phase of each cycle.
    noise *= 1 + 0.6 * np.cos(2 * np.pi * cycle)
    mixed = (1 - breath) * _unit(voice) + breath * _unit(noise)
    return (burst.level * mixed * _loudness(burst, rng)).astype(np.float32)


def _unit(waveform: np.ndarray) -> np.ndarray:
    """Scales to a root mean square of 1."""
    return waveform / (np.sqrt(np.mean(waveform**2)) + 1e-12)


__all__ = ["CONTROL_SAMPLES", "PHONATIONS", "Burst", "Phonation", "render_burst"]
