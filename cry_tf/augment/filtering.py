"""Convolution and low-pass filters, by FFT."""

from __future__ import annotations

import functools
import math

import numpy as np

_STOP_DB = 70.0


def convolve(sound: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Convolves, in blocks where that is faster, without cutting the end off.

    Args:
        sound: Float32 `(samples,)`.
        response: Float32 `(taps,)`.

    Returns:
        Float32 `(samples + taps - 1,)`.
    """
    from scipy.signal import oaconvolve  # 0.2 s to import

    return oaconvolve(sound, response).astype(np.float32, copy=False)


def low_pass(
    sound: np.ndarray, sample_rate_hz: float, cutoff_hz: float, width_hz: float
) -> np.ndarray:
    """Removes what lies above a frequency, by at least 60 dB; nothing is delayed.

    Args:
        sound: Float32 `(samples,)`.
        sample_rate_hz: Sample rate of the waveform, Hz.
        cutoff_hz: Where the stop band begins, Hz. At half the rate or above, the
            sound stays as it is.
        width_hz: Below `cutoff_hz - width_hz` the sound passes unchanged, Hz.

    Returns:
        Float32 `(samples,)`. Silence is assumed before and after the sound.
    """
    if cutoff_hz >= sample_rate_hz / 2:
        return sound.copy()
    response = _low_pass_response(sample_rate_hz, cutoff_hz, width_hz)
    half = len(response) // 2
    return convolve(sound, response)[half : half + len(sound)]


@functools.lru_cache(maxsize=16)
def _low_pass_response(
    sample_rate_hz: float, cutoff_hz: float, width_hz: float
) -> np.ndarray:
    """Returns a symmetric windowed sinc, float32 `(odd,)`, of gain 1 at 0 Hz.

    Kaiser's formulas give its length and the window's shape from the width of
    the transition and the 70 dB of the stop band.
    """
    width = 2 * math.pi * width_hz / sample_rate_hz
    half = math.ceil((_STOP_DB - 7.95) / (2.285 * width) / 2)
    place = np.arange(-half, half + 1)
    middle = 2 * (cutoff_hz - width_hz / 2) / sample_rate_hz
    response = np.sinc(middle * place) * np.kaiser(
        2 * half + 1, 0.1102 * (_STOP_DB - 8.7)
    )
    return (response / response.sum()).astype(np.float32)
