"""What counts as a waveform: the one rule for files, arrays and batches."""

from __future__ import annotations

import math

import numpy as np

MAX_PEAK = 16.0
"""Largest magnitude of a sample, where full scale is 1.

Samples that were never divided by 32768 lie far above it; music mixed too loud
stays far below, 24 dB over full scale.
"""


def check_waveform(waveform: np.ndarray, name: str = "waveform") -> None:
    """Checks that an array holds sound at the scale that models take.

    Args:
        waveform: Array of any shape.
        name: Name of the array in the error.

    Raises:
        ValueError: If the samples are integers, not finite, or more than 24 dB
            beyond full scale.
    """
    check_dtype(waveform.dtype, name)
    if not waveform.size:
        return
    # The extremes are NaN if any sample is: one pass finds every fault.
    peak = float(max(waveform.max(), -waveform.min()))
    if not math.isfinite(peak):
        raise ValueError(f"{name} must be finite. Received: NaN or infinity.")
    if peak > MAX_PEAK:
        raise ValueError(
            f"{name} must hold samples in [-1, 1]. Received: samples up to {peak:.6g}. "
            "Divide them by the full scale of the recording, 32768 for 16 bits."
        )


def check_dtype(dtype: object, name: str = "waveform") -> None:
    """Checks that samples are floating-point numbers.

    Args:
        dtype: Of NumPy, TensorFlow or Keras.
        name: Name of the array in the error.

    Raises:
        ValueError: If they are integers or anything else.
    """
    received = str(getattr(dtype, "name", dtype))
    if "float" not in received:
        raise ValueError(
            f"{name} must hold float samples in [-1, 1]. Received: dtype={received}. "
            "Divide 16-bit samples by 32768 first."
        )
