"""Rooms: the reflections that follow a sound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cry_tf.augment.filtering import convolve
from cry_tf.augment.transform import Transform, check_range


class Room(NamedTuple):
    """A drawn room.

    Attributes:
        rt60_s: Time in which its reflections fall by 60 dB, seconds.
        direct_db: Energy of the direct sound over that of the reflections, dB.
        first_s: When the first reflection arrives after the sound, seconds.
        seed: Draws the reflections.
    """

    rt60_s: float
    direct_db: float
    first_s: float
    seed: int


@dataclass(frozen=True)
class Reverb(Transform[Room]):
    """Puts a sound into a room of drawn size and wetness.

    The impulse response is the direct sound, and noise that decays
    exponentially: the late part of a room, without the geometry of its first
    reflections. What would ring on after the clip's end is cut off, so the
    length stays.

    Args:
        min_rt60_s: Shortest reverberation time, seconds, at least 0.05.
        max_rt60_s: Longest, at most 3. A nursery with curtains and carpet has
            0.2 to 0.4 s, a bathroom 0.6 s and more.
        min_direct_db: Lowest energy of the direct sound over the reflections, dB:
            a microphone across the room.
        max_direct_db: Highest, dB: a microphone in the cot.

    Raises:
        ValueError: If a range is not one, or reaches too far.
    """

    min_rt60_s: float = 0.15
    max_rt60_s: float = 0.7
    min_direct_db: float = 0.0
    max_direct_db: float = 15.0

    def __post_init__(self) -> None:
        """Checks the ranges."""
        check_range("rt60_s", self.min_rt60_s, self.max_rt60_s, 0.05, 3)
        check_range("direct_db", self.min_direct_db, self.max_direct_db, -20, 40)

    def draw(self, rng: np.random.Generator, samples: int, sample_rate_hz: int) -> Room:
        """Draws a room."""
        return Room(
            rt60_s=float(rng.uniform(self.min_rt60_s, self.max_rt60_s)),
            direct_db=float(rng.uniform(self.min_direct_db, self.max_direct_db)),
            first_s=float(rng.uniform(0.001, 0.010)),
            seed=int(rng.integers(2**63)),
        )

    def change(
        self, sound: np.ndarray, sample_rate_hz: int, parameters: Room
    ) -> np.ndarray:
        """Returns the sound with its reflections."""
        response = impulse_response(parameters, sample_rate_hz)
        return convolve(sound, response)[: len(sound)]


def impulse_response(room: Room, sample_rate_hz: float) -> np.ndarray:
    """Returns the impulse response of a room, float32 `(rt60_s * rate,)`.

    The first sample is 1, the direct sound; the reflections end at -60 dB.
    """
    samples = max(2, round(room.rt60_s * sample_rate_hz))
    time_s = np.arange(samples) / sample_rate_hz
    noise = np.random.default_rng(room.seed).standard_normal(samples)
    # Walls and air swallow high frequencies more: -9 dB at half the rate.
    noise[1:] += 0.5 * noise[:-1]
    tail = noise * 10 ** (-3 * time_s / room.rt60_s)
    tail[: max(1, round(room.first_s * sample_rate_hz))] = 0
    energy = float(np.sum(np.square(tail)))
    if energy:
        tail *= np.sqrt(10 ** (-room.direct_db / 10) / energy)
    tail[0] = 1
    return tail.astype(np.float32)
