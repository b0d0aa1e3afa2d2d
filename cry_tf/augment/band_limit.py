"""Narrower recordings: what a telephone, an old recorder or a codec kept."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cry_tf.augment.filtering import low_pass
from cry_tf.augment.transform import Transform, check_range

# Resamplers pass 0.9 of half the rate and stop at half: 3600 to 4000 Hz of an
# 8 kHz recording. Ours is at least as sharp.
_WIDTH_SHARE = 0.1


@dataclass(frozen=True)
class BandLimit(Transform[float]):
    """Removes what lies above a drawn frequency.

    Sources with different sample rates have different upper edges, and a network
    learns the edge instead of the cry. Drawn cut-offs blur that hint. To take it
    away, every clip must lose what the narrowest lacks: a policy with this
    transform at probability 1 and `max_cutoff_hz` no higher than
    `cry_tf.data.shared_bandwidth(dataset).cutoff_hz`, or, at inference too,
    `FrontEndSpec.cutoff_hz`.

    Args:
        min_cutoff_hz: Lowest cut-off, at least 1000 Hz (a cry's fundamental
            and its first harmonics stay). Above the cut-off nothing is louder
            than -60 dB; the slope lies in the tenth below it.
        max_cutoff_hz: Highest cut-off, Hz. A cut-off at half the sample rate or
            above changes nothing.

    Raises:
        ValueError: If the range is not one, or begins under 1000 Hz.
    """

    min_cutoff_hz: float = 3_000.0
    max_cutoff_hz: float = 7_600.0

    def __post_init__(self) -> None:
        """Checks the range."""
        check_range("cutoff_hz", self.min_cutoff_hz, self.max_cutoff_hz, 1_000)

    def draw(
        self, rng: np.random.Generator, samples: int, sample_rate_hz: int
    ) -> float:
        """Draws the cut-off evenly in octaves, Hz."""
        low, high = math.log(self.min_cutoff_hz), math.log(self.max_cutoff_hz)
        drawn_hz = math.exp(rng.uniform(low, high))
        return min(max(drawn_hz, self.min_cutoff_hz), self.max_cutoff_hz)

    def change(
        self, sound: np.ndarray, sample_rate_hz: int, parameters: float
    ) -> np.ndarray:
        """Returns the sound below `parameters` Hz."""
        return low_pass(sound, sample_rate_hz, parameters, _WIDTH_SHARE * parameters)
