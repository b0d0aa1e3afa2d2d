"""The power spectrum of frames, by an FFT or by the products that TFLite is fast at.

TFLite's RFFT2D runs on one thread, frame by frame in float64, and took most of the
time of a front end and half that of a small network. The transform of Cooley and
Tukey (1965) in two stages is two small matrix products with a table of turns between
them; XNNPACK runs them on every thread (benchmarks/front_end.py). In TensorFlow they
take more than twice as long as TensorFlow's FFT, which Keras keeps.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

ops: Any = keras.ops  # Keras types most results as perhaps None


def by_fft(frames: Any) -> Any:
    """Returns |X|^2 of real float32 frames, `(frames, fft_length)`.

    Returns:
        Float32 `(frames, fft_length // 2)`: without the bin at half the sample rate,
        where every mel band ends.
    """
    real, imaginary = ops.rfft(frames)
    return (real * real + imaginary * imaginary)[:, :-1]


def by_products(frames: Any) -> Any:
    """Returns what `by_fft` returns, but for the rounding of float32.

    With N = A * B, the sample n = B * a + b and the bin k = c + A * d:

        X[c + A d] = sum over b of W_B^(b d) * W_N^(b c) * Y[b, c]
        Y[b, c] = sum over a of W_A^(a c) * x[B a + b],  W_M = exp(-2 pi i / M)

    Each sum is a product of two matrices. Bins from N / 2 on are not computed.

    Args:
        frames: Float32 `(frames, fft_length)`, the length a power of two.
    """
    length = frames.shape[1]
    first = 2 ** ((length.bit_length() - 1) // 2)
    second = length // first
    inner_cos, inner_sin = _turns(first, first, of=first)
    twiddle_cos, twiddle_sin = _turns(second, first, of=length)
    outer_cos, outer_sin = _turns(second, second // 2, of=second)

    samples = ops.transpose(ops.reshape(frames, (-1, first, second)), (0, 2, 1))
    samples = ops.reshape(samples, (-1, first))
    real = ops.reshape(ops.matmul(samples, inner_cos), (-1, second, first))
    imaginary = ops.reshape(ops.matmul(samples, inner_sin), (-1, second, first))
    real, imaginary = (
        real * twiddle_cos - imaginary * twiddle_sin,
        real * twiddle_sin + imaginary * twiddle_cos,
    )
    real = ops.reshape(ops.transpose(real, (0, 2, 1)), (-1, second))
    imaginary = ops.reshape(ops.transpose(imaginary, (0, 2, 1)), (-1, second))
    real, imaginary = (
        ops.matmul(real, outer_cos) - ops.matmul(imaginary, outer_sin),
        ops.matmul(real, outer_sin) + ops.matmul(imaginary, outer_cos),
    )
    power = real * real + imaginary * imaginary
    power = ops.transpose(ops.reshape(power, (-1, first, second // 2)), (0, 2, 1))
    return ops.reshape(power, (-1, length // 2))


def _turns(rows: int, columns: int, *, of: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the parts of exp(-2 pi i row column / of), float32 `(rows, columns)`."""
    steps = np.outer(np.arange(rows), np.arange(columns)) % of
    angles = -2 * np.pi * steps / of
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
