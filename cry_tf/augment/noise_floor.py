"""The steady noise of a recorder: its amplifier, and the air of the room."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cry_tf.augment.transform import Transform, check_range


class Floor(NamedTuple):
    """A drawn noise.

    Attributes:
        level_db: Its effective value, dB of full scale.
        colour: In [0, 1): the share of each sample that the next one keeps; 0 is
            white.
        seed: Draws the samples.
    """

    level_db: float
    colour: float
    seed: int


@dataclass(frozen=True)
class NoiseFloor(Transform[Floor]):
    """Adds steady noise at a drawn level, white or falling to high frequencies.

    The noise floor of a recorder tells which one it was. Added to both labels, it
    tells less.

    Args:
        min_level_db: Lowest effective value, dB of full scale.
        max_level_db: Highest.
        max_colour: Largest share of a sample that the next one keeps, in [0, 1).

    Raises:
        ValueError: If a range is not one, or reaches too far.
    """

    min_level_db: float = -80.0
    max_level_db: float = -42.0
    max_colour: float = 0.98

    def __post_init__(self) -> None:
        """Checks the ranges."""
        check_range("level_db", self.min_level_db, self.max_level_db, -120, -6)
        check_range("colour", 0.0, self.max_colour, 0, 0.999)

    def draw(
        self, rng: np.random.Generator, samples: int, sample_rate_hz: int
    ) -> Floor:
        """Draws a noise; every second one is white."""
        is_white = rng.random() < 0.5
        return Floor(
            level_db=float(rng.uniform(self.min_level_db, self.max_level_db)),
            colour=0.0 if is_white else float(rng.uniform(0, self.max_colour)),
            seed=int(rng.integers(2**63)),
        )

    def change(
        self, sound: np.ndarray, sample_rate_hz: int, parameters: Floor
    ) -> np.ndarray:
        """Returns the sound with the noise in it."""
        from scipy.signal import lfilter  # 0.2 s to import

        noise = np.random.default_rng(parameters.seed).standard_normal(len(sound))
        colour = parameters.colour
        noise = np.asarray(lfilter([np.sqrt(1 - colour**2)], [1, -colour], noise))
        return sound + (noise * 10 ** (parameters.level_db / 20)).astype(np.float32)
