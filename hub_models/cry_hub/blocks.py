"""Waveforms in blocks of samples, and which of the samples come first."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

ops: Any = keras.ops  # Keras types most results as perhaps None

# Positions are found block by block: a constant with one number a sample would
# otherwise end up in the .tflite, hundreds of kilobytes of it.
BLOCK_SAMPLES = 512
# Whole numbers of this size are exact in every float, and fast in TFLite.
POSITIONS = np.arange(BLOCK_SAMPLES, dtype="float32")


def in_blocks(waveform: Any) -> Any:
    """Completes a waveform with zeros to whole blocks.

    Args:
        waveform: Float tensor `(batch, samples)`.

    Returns:
        Float tensor `(batch, blocks, 512)`.
    """
    batch, samples = ops.shape(waveform)
    blocks = (samples + BLOCK_SAMPLES - 1) // BLOCK_SAMPLES
    missing = blocks * BLOCK_SAMPLES - samples
    signal = ops.pad(waveform, ((0, 0), (0, missing)))
    return ops.reshape(signal, (batch, blocks, BLOCK_SAMPLES))


def starts(blocks: Any) -> Any:
    """Returns where so many blocks of 512 samples begin, int32 `(blocks,)`."""
    return ops.arange(blocks, dtype="int32") * BLOCK_SAMPLES


def is_before(block_starts: Any, length: Any) -> Any:
    """Returns 1.0 for the first samples of each row, 0.0 for those behind them.

    Args:
        block_starts: Int32 tensor `(blocks,)` from `starts`.
        length: Int32 tensor `(batch,)`, how many samples are the first; none if it
            is negative.

    Returns:
        Float32 tensor `(batch, blocks, 512)`.
    """
    kept = ops.expand_dims(length, 1) - block_starts
    kept = ops.cast(ops.clip(kept, 0, BLOCK_SAMPLES), "float32")
    return ops.clip(ops.expand_dims(kept, -1) - POSITIONS, 0.0, 1.0)
