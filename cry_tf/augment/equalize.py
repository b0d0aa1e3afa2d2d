"""The frequency response of a microphone and of its place in the room."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cry_tf.augment.transform import Transform, check_range

# About an octave apart, up to where telephones end; above, the last gain holds.
_EDGES_HZ = (50.0, 150.0, 400.0, 900.0, 1_800.0, 3_000.0, 4_000.0)
# Of a telephone, which passes nothing low.
_ROLL_OFF_DB = -25.0


class Response(NamedTuple):
    """A drawn frequency response.

    Attributes:
        gains_db: Gain at 50, 150, 400, 900, 1800, 3000 and 4000 Hz, dB.
    """

    gains_db: tuple[float, ...]


@dataclass(frozen=True)
class Equalize(Transform[Response]):
    """Filters a sound by a smooth frequency response, a random walk over octaves.

    A phone's microphone, its case and a pillow before it each tilt the spectrum. The
    gains have a mean of 0 dB before low frequencies are removed, and the phase stays.

    Args:
        step_db: Standard deviation of the change from one octave to the next, dB, in
            (0, 12].
        max_gain_db: No frequency gains or loses more, dB, in (0, 40].
        roll_off: Probability that low frequencies are removed, as by a telephone.

    Raises:
        ValueError: If an argument breaks its rule.
    """

    step_db: float = 3.5
    max_gain_db: float = 15.0
    roll_off: float = 0.3

    def __post_init__(self) -> None:
        """Checks the ranges."""
        check_range("step_db", self.step_db, self.step_db, 1e-9, 12)
        check_range("gain_db", -self.max_gain_db, self.max_gain_db, -40, 40)
        check_range("roll_off", self.roll_off, self.roll_off, 0, 1)

    def draw(
        self, rng: np.random.Generator, samples: int, sample_rate_hz: int
    ) -> Response:
        """Draws a response."""
        gains = np.cumsum(rng.normal(0, self.step_db, len(_EDGES_HZ)))
        gains = np.clip(gains - gains.mean(), -self.max_gain_db, self.max_gain_db)
        if rng.random() < self.roll_off:
            gains[0] += _ROLL_OFF_DB
            gains[1] += rng.uniform(0.8 * _ROLL_OFF_DB, 0)
        return Response(tuple(float(gain) for gain in gains))

    def change(
        self, sound: np.ndarray, sample_rate_hz: int, parameters: Response
    ) -> np.ndarray:
        """Returns the filtered sound."""
        # Zeros behind it, so that its end does not come round to its beginning.
        size = len(sound) + sample_rate_hz // 10
        frequencies = np.fft.rfftfreq(size, 1 / sample_rate_hz)
        gains_db = np.interp(
            np.log(frequencies + 30),
            np.log(np.array(_EDGES_HZ) + 30),
            parameters.gains_db,
        )
        spectrum = np.fft.rfft(sound, size) * 10 ** (gains_db / 20)
        return np.fft.irfft(spectrum, size)[: len(sound)].astype(np.float32)
