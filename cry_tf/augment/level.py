"""How loud a recording is, whatever it was before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cry_tf.augment.transform import Transform, check_range


@dataclass(frozen=True)
class Level(Transform[float]):
    """Brings the peak of a sound to a level drawn evenly in dB.

    `Gain` keeps the loud loud and the quiet quiet; after this the level says nothing
    of where a recording came from.

    Args:
        min_peak_db: Lowest peak, dB of full scale.
        max_peak_db: Highest, at most 0.

    Raises:
        ValueError: If the range is not one, or reaches beyond -80 to 0 dB.
    """

    min_peak_db: float = -36.0
    max_peak_db: float = -1.0

    def __post_init__(self) -> None:
        """Checks the range."""
        check_range("peak_db", self.min_peak_db, self.max_peak_db, -80, 0)

    def draw(
        self, rng: np.random.Generator, samples: int, sample_rate_hz: int
    ) -> float:
        """Draws the peak, dB of full scale."""
        return float(rng.uniform(self.min_peak_db, self.max_peak_db))

    def change(
        self, sound: np.ndarray, sample_rate_hz: int, parameters: float
    ) -> np.ndarray:
        """Returns the sound, louder or softer."""
        peak = float(np.abs(sound).max())
        # In float64: the inverse of a tiny peak is beyond float32.
        return (sound * (10 ** (parameters / 20) / np.float64(peak))).astype(np.float32)
