"""Level: how near the infant is, and how sensitive the microphone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cry_tf.augment.transform import Transform, check_range


@dataclass(frozen=True)
class Gain(Transform[float]):
    """Multiplies a waveform by a factor drawn evenly in dB.

    A factor that would take the peak beyond full scale only takes it there.

    Args:
        min_gain_db: Lowest gain, dB.
        max_gain_db: Highest gain, dB.

    Raises:
        ValueError: If the range is not one, or reaches beyond -80 to 40 dB.
    """

    min_gain_db: float = -12.0
    max_gain_db: float = 6.0

    def __post_init__(self) -> None:
        """Checks the range."""
        check_range("gain_db", self.min_gain_db, self.max_gain_db, -80, 40)

    def draw(
        self, rng: np.random.Generator, samples: int, sample_rate_hz: int
    ) -> float:
        """Draws the gain, dB."""
        return float(rng.uniform(self.min_gain_db, self.max_gain_db))

    def change(
        self, sound: np.ndarray, sample_rate_hz: int, parameters: float
    ) -> np.ndarray:
        """Returns the sound, louder or softer."""
        return sound * np.float32(10 ** (parameters / 20))
