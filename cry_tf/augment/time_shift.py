"""Where in the clip the cry is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cry_tf.augment.transform import Transform

_FADE_S = 0.005


@dataclass(frozen=True)
class TimeShift(Transform[int]):
    """Moves a sound in time; what leaves at one end comes back at the other.

    Nothing is lost and no silence is put in. Where the old end meets the old
    beginning both fade within 5 ms, so that there is no click.

    Args:
        max_shift_s: Furthest move to either side, seconds, positive. Half the
            clip is the furthest that makes a difference.

    Raises:
        ValueError: If `max_shift_s` is not positive.
    """

    max_shift_s: float = 1.0

    def __post_init__(self) -> None:
        """Checks the range."""
        if not 0 < self.max_shift_s < float("inf"):
            raise ValueError(
                "max_shift_s must be a positive number of seconds. Received: "
                f"max_shift_s={self.max_shift_s}."
            )

    def draw(self, rng: np.random.Generator, samples: int, sample_rate_hz: int) -> int:
        """Draws the move in samples, positive to later."""
        most = min(round(self.max_shift_s * sample_rate_hz), samples // 2)
        return int(rng.integers(-most, most + 1))

    def change(
        self, sound: np.ndarray, sample_rate_hz: int, parameters: int
    ) -> np.ndarray:
        """Returns the sound, rolled."""
        shifted = np.roll(sound, parameters)
        seam = parameters % len(sound)
        fade = min(round(_FADE_S * sample_rate_hz), seam, len(sound) - seam)
        if seam and fade:
            rise = np.sin(np.arange(1, fade + 1) / (fade + 1) * np.pi / 2) ** 2
            shifted[seam : seam + fade] *= rise.astype(np.float32)
            shifted[seam - fade : seam] *= rise[::-1].astype(np.float32)
        return shifted
