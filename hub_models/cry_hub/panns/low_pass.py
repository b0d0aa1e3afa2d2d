"""A low-pass filter for networks that take the waveform itself."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from cry_hub.time_mask import cleared, real_length

ops: Any = keras.ops  # Keras types most results as perhaps None

# Samples go through as rows of so many: a filter of one channel in and one out is
# a convolution that no library is fast at.
_ROW_SAMPLES = 4
# Less than 1024 weights (63 rows of 4 x 4), which dynamic-range quantization leaves
# alone; 249 taps.
_KERNEL_ROWS = 63
_TAPS = _ROW_SAMPLES * (_KERNEL_ROWS - 1) + 1
# 60 dB below, over 3.62 / _TAPS of the sample rate: Kaiser's formulas.
_KAISER_BETA = 5.65
_TRANSITION = 3.62 / _TAPS


@keras.saving.register_keras_serializable(package="cry_tf")
class LowPass(keras.layers.Layer):
    """Removes what a waveform has above a frequency.

    A windowed sinc of 249 taps without delay, computed in float32 whatever the
    dtype policy. What is above `cutoff_hz` is 60 dB weaker; the transition ends
    there and begins 465 Hz lower at 32 kHz (`cutoff_hz` below that itself is passed
    half, and the transition ends above it). A row begins and ends where it did: the
    filter's ringing beyond its ends is cut. Padding takes no part and becomes zeros.

    Args:
        cutoff_hz: Float, Hz, between 0 and half of `sample_rate_hz`.
        sample_rate_hz: Int, Hz.
    Call arguments:
        inputs: Float tensor `(batch, samples)`.
    Output shape:
        That of `inputs`.

    Raises:
        ValueError: If `cutoff_hz` is not between 0 and half of `sample_rate_hz`.
    """

    def __init__(self, cutoff_hz: float, sample_rate_hz: int, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)
        if not 0 < cutoff_hz < sample_rate_hz / 2:
            raise ValueError(
                "cutoff_hz must be above 0 and below half of sample_rate_hz. "
                f"Received: cutoff_hz={cutoff_hz}, sample_rate_hz={sample_rate_hz}. "
                "Leave the filter out."
            )
        self.cutoff_hz = cutoff_hz
        self.sample_rate_hz = sample_rate_hz
        self._kernel = _rows(_windowed_sinc(cutoff_hz / sample_rate_hz))

    def call(self, inputs):
        waveform = ops.cast(inputs, "float32")
        batch, samples = ops.shape(waveform)
        length = real_length(waveform)
        signal = cleared(waveform, length)
        signal = ops.reshape(signal, (batch, -1, _ROW_SAMPLES))
        filtered = ops.conv(signal, self._kernel, padding="same")
        filtered = cleared(ops.reshape(filtered, (batch, -1)), length)
        return ops.cast(filtered[:, :samples], self.compute_dtype)

    def compute_output_spec(self, inputs):
        return keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "cutoff_hz": self.cutoff_hz,
            "sample_rate_hz": self.sample_rate_hz,
        }


def _windowed_sinc(cutoff: float) -> np.ndarray:
    """Returns the taps of a filter that stops at `cutoff` cycles a sample."""
    centre = max(cutoff - _TRANSITION / 2, cutoff / 2)
    time = np.arange(_TAPS) - _TAPS // 2
    taps = np.sinc(2 * centre * time) * np.kaiser(_TAPS, _KAISER_BETA)
    return taps / taps.sum()


def _rows(taps: np.ndarray) -> np.ndarray:
    """Returns float32 `(rows, from, to)` that filters rows of samples alike."""
    kernel = np.zeros((_KERNEL_ROWS, _ROW_SAMPLES, _ROW_SAMPLES), np.float32)
    for to in range(_ROW_SAMPLES):
        kernel.reshape(-1, _ROW_SAMPLES)[to : to + _TAPS, to] = taps
    return kernel
