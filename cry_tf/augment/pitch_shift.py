"""Higher and lower voices, within what an infant's can be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cry_lite.sound_file import resample
from cry_tf.augment.time_stretch import stretch
from cry_tf.augment.transform import Transform, check_range

MOST_SEMITONES = 4.0
_FEWEST_SAMPLES = 32


@dataclass(frozen=True)
class PitchShift(Transform[float]):
    """Moves all frequencies by a factor and keeps the length.

    The fundamental of a cry lies between about 250 and 700 Hz, so a small range
    keeps a cry one: two semitones are 12 %. The sound is resampled and then
    stretched back; resonances move with the pitch, as in a larger or smaller
    infant. A shift downwards leaves the uppermost part of the band empty (the
    top 11 % for two semitones).

    Args:
        min_semitones: Largest shift downwards, at least -4.
        max_semitones: Largest shift upwards, at most 4.

    Raises:
        ValueError: If the range is not one, or reaches beyond 4 semitones.
    """

    min_semitones: float = -2.0
    max_semitones: float = 2.0

    def __post_init__(self) -> None:
        """Checks the range."""
        check_range(
            "semitones",
            self.min_semitones,
            self.max_semitones,
            -MOST_SEMITONES,
            MOST_SEMITONES,
        )

    def draw(
        self, rng: np.random.Generator, samples: int, sample_rate_hz: int
    ) -> float:
        """Draws the shift, semitones."""
        return float(rng.uniform(self.min_semitones, self.max_semitones))

    def change(
        self, sound: np.ndarray, sample_rate_hz: int, parameters: float
    ) -> np.ndarray:
        """Returns the sound, higher or lower; under 32 samples it stays."""
        if len(sound) < _FEWEST_SAMPLES or not parameters:
            return sound.copy()
        factor = 2 ** (parameters / 12)
        played = resample(sound, sample_rate_hz * factor, sample_rate_hz)
        return stretch(played, len(sound), sample_rate_hz)
