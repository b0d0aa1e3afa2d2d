"""Melodies of one expiration: how the pitch of a cry moves.

The types are those of spectrographic cry analysis: falling, rising,
rising-falling, flat (Wasz-Hoeckert et al., 1968) and several arcs in one
breath, called complex (Wermke and Mende, 2009).
"""

from __future__ import annotations

import numpy as np

MELODIES = ("rising_falling", "falling", "rising", "plateau", "double_arch")
"""Names that `melody` takes."""


def _ease(position: np.ndarray) -> np.ndarray:
    """A smooth step from 0 to 1 over positions 0 to 1."""
    position = np.clip(position, 0, 1)
    return position * position * (3 - 2 * position)


def melody(name: str, samples: int, peak: float = 0.4) -> np.ndarray:
    """Returns the shape of a melody, in parts of its range.

    Args:
        name: One of `MELODIES`.
        samples: Length of the shape, >= 1.
        peak: Float in (0, 1), where a `rising_falling` or a `double_arch`
            melody has its (first) top, in parts of the duration, the
            `double_arch` in parts of its first half.

    Returns:
        Float64 `(samples,)` in [0, 1], 0 the lowest pitch of the melody.

    Raises:
        ValueError: If `name` is no melody.
    """
    if name not in MELODIES:
        raise ValueError(f"name must be one of {', '.join(MELODIES)}. Received: {name}")
    time = (np.arange(samples) + 0.5) / samples
    if name == "rising_falling":
        return _arch(time, peak)
    if name == "falling":
        return _ease(time / 0.08) * (1 - _ease((time - 0.05) / 1.05))
    if name == "rising":
        return _ease(time / 0.95) * (1 - 0.25 * _ease((time - 0.95) / 0.05))
    if name == "plateau":
        return _ease(time / 0.12) * (1 - 0.7 * _ease((time - 0.9) / 0.1))
    first = _arch(np.clip(time / 0.55, 0, 1), peak)
    second = 0.75 * _arch(np.clip((time - 0.45) / 0.55, 0, 1), 0.45)
    return np.maximum(first, second)


def _arch(time: np.ndarray, peak: float) -> np.ndarray:
    """Half a sine, warped so that its top lies at `peak`."""
    warped = np.where(time < peak, 0.5 * time / peak, 1 - 0.5 * (1 - time) / (1 - peak))
    return np.sin(np.pi * np.clip(warped, 0, 1))
