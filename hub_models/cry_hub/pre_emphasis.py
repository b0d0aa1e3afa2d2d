"""Pre-emphasis that ends where the audio ends."""

from __future__ import annotations

from typing import Any

import keras

from cry_hub.blocks import BLOCK_SAMPLES, is_before, starts
from cry_hub.time_mask import completed

ops: Any = keras.ops  # Keras types most results as perhaps None


def pre_emphasized(waveform: Any, length: Any, coefficient: float) -> Any:
    """Returns `x[i + 1] - coefficient * x[i]` of each row, then zeros.

    A row with n samples before its padding gives n - 1, none if n is 0 or 1. What
    the difference makes of the last one and the padding behind it is not part of it,
    so that padding never changes the result.

    Args:
        waveform: Float32 tensor `(batch, samples)`.
        length: Int32 tensor `(batch,)`, samples before the padding of each row.
        coefficient: Float, see `FrontEndSpec.pre_emphasis`.

    Returns:
        Float32 tensor `(batch, samples)`, completed with zeros to whole blocks of
        512 samples.
    """
    batch, samples = ops.shape(waveform)
    blocks = (samples + BLOCK_SAMPLES - 1) // BLOCK_SAMPLES
    signal = completed(waveform, blocks * BLOCK_SAMPLES + 1)
    signal = signal[:, 1:] - coefficient * signal[:, :-1]
    signal = ops.reshape(signal, (batch, -1, BLOCK_SAMPLES))
    is_kept = is_before(starts(blocks), length - 1)
    return ops.reshape(signal * is_kept, (batch, blocks * BLOCK_SAMPLES))
