"""Waveforms in blocks: which of their samples are real."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from cry_hub.time_mask import BLOCK_SAMPLES

ops: Any = keras.ops  # Keras types most results as perhaps None


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
    # By block as in `real_length`. Its whole numbers up to 512 are exact, and float
    # operations are fast in TFLite.
    kept = ops.expand_dims(length, 1) - block_starts
    kept = ops.cast(ops.clip(kept, 0, BLOCK_SAMPLES), "float32")
    position = np.arange(BLOCK_SAMPLES, dtype="float32")
    return ops.clip(ops.expand_dims(kept, -1) - position, 0.0, 1.0)
