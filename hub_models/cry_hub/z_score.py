"""Z-score normalisation over the audio of a clip, without its padding."""

from __future__ import annotations

from typing import Any

import keras

from cry_hub.blocks import BLOCK_SAMPLES, in_blocks, is_before, starts
from cry_lite.log_mel import MIN_DEVIATION

ops: Any = keras.ops  # Keras types most results as perhaps None


def z_scored(signal: Any, length: Any) -> Any:
    """Takes the mean of each row from it and divides it by its deviation.

    The same numbers as `cry_lite.log_mel.z_scored` for the first `length` samples;
    the padding behind them takes no part and stays zero. The gradient is finite at
    silence too, where it is that of a division by `MIN_DEVIATION`.

    Args:
        signal: Float32 tensor `(batch, samples)`, zero from `length` on.
        length: Int32 tensor `(batch,)`, how many samples of a row are real; none if
            it is not positive.

    Returns:
        Float32 tensor `(batch, samples)`, completed with zeros to whole blocks of
        512 samples.
    """
    signal = in_blocks(signal)
    batch, blocks, _ = ops.shape(signal)
    is_real = is_before(starts(blocks), length)
    count = ops.cast(ops.maximum(length, 1), "float32")
    count = ops.reshape(count, (batch, 1, 1))

    def mean(values):
        # Two sums of hundreds of numbers round less than one of 100,000.
        total = ops.sum(ops.sum(values, axis=2, keepdims=True), axis=1, keepdims=True)
        return total / count

    # What rounding leaves of a constant would be divided by the least deviation;
    # the second time there is next to nothing to round.
    for _ in range(2):
        signal = (signal - mean(signal)) * is_real
    variance = ops.maximum(mean(signal * signal), MIN_DEVIATION**2)
    signal = signal / ops.sqrt(variance)
    return ops.reshape(signal, (batch, blocks * BLOCK_SAMPLES))
