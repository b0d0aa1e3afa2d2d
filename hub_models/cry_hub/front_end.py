"""The log-mel front end as a Keras layer that survives its way into TFLite."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from cry_hub.power_spectrum import by_fft, by_products
from cry_hub.pre_emphasis import pre_emphasized
from cry_hub.time_mask import (
    check_waveform,
    cleared,
    completed,
    fit,
    larger,
    real_length,
)
from cry_hub.z_score import z_scored
from cry_lite.log_mel import fft_window, num_steps
from cry_lite.mel import mel_matrix
from cry_lite.spec import FrontEndSpec

ops: Any = keras.ops  # Keras types most results as perhaps None

# Fewer hold fewer zeros, more need fewer operators. TFLiteConverter's dynamic-range
# quantization leaves weights below 1024 elements alone: int8 activations cannot span
# a power spectrum (91 dB of error).
_MAX_WEIGHTS = 255

# |X| stays below this for a full-scale waveform, so that |X|^2 fits into float16.
_MAX_MAGNITUDE = 255.0

# Z-scored samples have a mean square of 1, so that by Cauchy-Schwarz |X|^2 is at most
# the sum of the squared window times the number of samples, whatever the waveform.
# It stays in float16 for so many: 65 s at 16 kHz, 32 s at 32 kHz.
_MAX_Z_SCORED_SAMPLES = 2**20

# Its root vanishes beside any log_offset.
_TINY = 1e-30

_DB_PER_NEPER = 10.0 / math.log(10.0)


@keras.saving.register_keras_serializable(package="cry_tf")
class FrontEnd(keras.layers.Layer):
    """Turns waveforms into log-mel spectrograms or patches of them.

    The same numbers as `cry_lite.log_mel`, computed in float32 whatever the
    dtype policy: equal to 2e-4 dB or 1e-4 nat, but for bands more than 50 dB
    below the loudest, where the rounding of a float32 FFT shows. It has no
    weights and converts to TFLite builtins that dynamic-range quantization
    leaves alone.

    The padding of a row (see `cry_lite.padding`) takes no part: the steps that
    `TimeMask` calls real are those of the row without it. The other steps hold
    silence, or with `center=True` the reflection of the end of the clip.

    Args:
        spec: `FrontEndSpec`, or its `to_dict()`.
        name: String; exporters find the layer by its default name.

    Attributes:
        in_training: Called in training alone, with the float32 output and a bool
            tensor `(batch, steps)`, True where a step is real; what it returns
            takes the output's place. None, as after loading: it is not saved.
        by_products: Whether matrix products take the place of the FFT, as in the
            files of `cry_export`, which sets it while it converts: TFLite runs
            them faster than its FFT. False, as after loading: it is not saved.

    Call arguments:
        inputs: Float tensor `(batch, samples)` in [-1, 1] at
            `spec.sample_rate_hz`. With `spec.z_score` any other range gives the
            same, and the statistics are those of the row: of a clip, or of a
            window of one where windows are scored.

    Output shape:
        `(batch, patches, patch_frames, mel_bands)`, or
        `(batch, frames, mel_bands)` if the spec has no patches; dB or nat, less
        the spec's mean and divided by its deviation. A clip shorter than one
        patch gives one.

    Raises:
        ValueError: If the input has another rank, no samples, or integers.
    """

    def __init__(
        self,
        spec: FrontEndSpec | dict[str, Any],
        name: str = "frontend",
        **kwargs: Any,
    ):
        super().__init__(name=name, autocast=False, **kwargs)
        self.spec = FrontEndSpec.from_dict(spec) if isinstance(spec, dict) else spec
        self.in_training: Callable[[Any, Any], Any] | None = None
        self.by_products = False
        num_steps(1, self.spec)  # refuses what has no meaning
        window = fft_window(self.spec)
        # A power of two changes no digit, and the mel matrix takes it back.
        loudest = window.sum() * (1.0 + self.spec.pre_emphasis)
        if self.spec.z_score:
            loudest = math.sqrt((window**2).sum() * _MAX_Z_SCORED_SAMPLES)
        scale = 2.0 ** min(0, math.floor(math.log2(_MAX_MAGNITUDE / loudest)))
        self._window = (window * scale).astype(np.float32)
        gain = scale**2 if self.spec.spectrum == "power" else scale
        # The bin at half the sample rate is where the last band ends, at most.
        self._mel_blocks = tuple(_band_blocks(mel_matrix(self.spec)[:-1] / gain))

    def call(self, inputs, training=None):
        check_waveform(self, inputs)
        waveform = ops.cast(inputs, "float32")
        steps = num_steps(ops.shape(waveform)[1], self.spec)
        length = real_length(waveform)
        frames = self._frames(waveform, length, steps)
        log_mel = self._log_mel(ops.reshape(frames, (-1, self.spec.fft_length)))
        log_mel = self._steps(log_mel, ops.shape(waveform)[0], steps)
        if training and self.in_training is not None:
            real = num_steps(length, self.spec)
            is_real = ops.arange(steps, dtype="int32") < ops.expand_dims(real, 1)
            log_mel = self.in_training(log_mel, is_real)
        return ops.cast(log_mel, self.compute_dtype)

    def _frames(self, waveform: Any, length: Any, steps: Any) -> Any:
        """Returns `(batch, frames, fft_length)`, all the steps need or more."""
        hop, fft_length = self.spec.hop_samples, self.spec.fft_length
        frames = steps
        if self.spec.patch_frames:
            frames = (steps + self._hops_per_patch - 1) * self.spec.patch_hop_frames
        blocks = frames + -(-fft_length // hop) - 1
        if self.spec.pre_emphasis:
            signal = pre_emphasized(waveform, length, self.spec.pre_emphasis)
            length = length - 1
        else:
            signal = cleared(waveform, length)
        if self.spec.z_score:
            signal = z_scored(signal, length)
        if self.spec.center:
            # The reflection of the start; the end follows, row by row.
            half = fft_length // 2
            signal = completed(signal, larger(ops.shape(signal)[1], half + 1))
            start = ops.flip(signal[:, 1 : half + 1], axis=1)
            signal = ops.concatenate((start, signal), axis=1)
        signal = fit(signal, blocks * hop)
        shape = (ops.shape(waveform)[0], blocks, hop)
        signal = ops.reshape(signal, shape)
        if self.spec.center:
            signal = self._reflect_end(signal, length)
        return _overlapping(signal, fft_length)

    def _reflect_end(self, blocks: Any, length: Any) -> Any:
        """Reflects each row of `(batch, blocks, hop)` where its audio ends.

        Only the few blocks behind the end are computed, sample by sample; the
        rest moves as whole blocks. One index a sample would cost more time than
        the FFT, and its constants more bytes than the model.
        """
        batch, count, hop = ops.shape(blocks)
        half = self.spec.fft_length // 2
        length = ops.maximum(length, half + 1)
        # Sample i of the waveform stands at half + i of the row of blocks.
        mirror = ops.expand_dims(half + length - 1, 1)
        first = (mirror + 1) // hop
        changed = -(-half // hop) + 1
        position = first * hop + np.arange(changed * hop, dtype="int32")
        source = ops.abs(mirror - ops.abs(position - mirror))
        row = ops.expand_dims(ops.arange(batch, dtype="int32"), 1)
        source = ops.minimum(source, count * hop - 1) + row * (count * hop)
        end = ops.take(ops.reshape(blocks, (-1,)), source, axis=0)
        end = ops.reshape(end, (batch, changed, hop))
        blocks = ops.concatenate((blocks, end), axis=1)
        index = ops.arange(count, dtype="int32")
        behind = index - first
        is_changed = ops.logical_and(behind >= 0, behind < changed)
        index = ops.where(is_changed, count + behind, index)
        index = ops.reshape(index + row * (count + changed), (-1,))
        flat = ops.take(ops.reshape(blocks, (-1, hop)), index, axis=0)
        return ops.reshape(flat, (batch, count, hop))

    def _log_mel(self, frames: Any) -> Any:
        """Turns `(frames, fft_length)` into `(frames, mel_bands)`."""
        transformed = by_products if self.by_products else by_fft
        spectrum = transformed(frames * self._window)
        if self.spec.spectrum == "magnitude":
            # The gradient of a square root at the zeros of silence is NaN.
            spectrum = ops.sqrt(ops.maximum(spectrum, _TINY))
        mel = ops.concatenate(
            [
                ops.matmul(spectrum[:, low : low + len(weights)], weights)
                for low, weights in self._mel_blocks
            ],
            axis=1,
        )
        if self.spec.log_scale == "db":
            level = ops.log(ops.maximum(mel, self.spec.log_offset)) * _DB_PER_NEPER
        else:
            level = ops.log(mel + self.spec.log_offset)
        if (self.spec.level_mean, self.spec.level_std) == (0.0, 1.0):
            return level
        return (level - self.spec.level_mean) / self.spec.level_std

    def _steps(self, log_mel: Any, batch: Any, steps: Any) -> Any:
        """Turns `(batch * frames, mel_bands)` into the layer's output."""
        bands, hop = self.spec.mel_bands, self.spec.patch_hop_frames
        if not self.spec.patch_frames:
            return ops.reshape(log_mel, (batch, steps, bands))
        hops = steps + self._hops_per_patch - 1
        log_mel = ops.reshape(log_mel, (batch, hops, hop, bands))
        return _overlapping(log_mel, self.spec.patch_frames)

    @property
    def _hops_per_patch(self) -> int:
        return -(-self.spec.patch_frames // self.spec.patch_hop_frames)

    def compute_output_shape(self, input_shape):
        batch, samples = input_shape
        steps = None if samples is None else num_steps(samples, self.spec)
        if self.spec.patch_frames:
            return (batch, steps, self.spec.patch_frames, self.spec.mel_bands)
        return (batch, steps, self.spec.mel_bands)

    def compute_output_spec(self, inputs, training=None):
        check_waveform(self, inputs)
        shape = self.compute_output_shape(inputs.shape)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "spec": self.spec.to_dict()}


def _overlapping(blocks: Any, length: int) -> Any:
    """Joins each block with those after it, up to `length`.

    Turns `(batch, count, hop, ...)` into `(batch, fewer, length, ...)`, where
    step t begins with block t. A few large slices: in TFLite several times faster
    than gathering samples, and no constant holds their indices (4 MB for 10 s).
    """
    hop = blocks.shape[2]
    joined = -(-length // hop)
    pieces = []
    for i in range(joined):
        last = i + 1 - joined  # 0 or negative
        pieces.append(blocks[:, i : last or None, : min(hop, length - i * hop)])
    return ops.concatenate(pieces, axis=2) if joined > 1 else pieces[0]


def _band_blocks(mel: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Cuts a mel matrix into blocks of neighbouring bands.

    Returns:
        Pairs of a first bin and float32 weights `(bins, bands)`, the rows that
        are not zero, at most `_MAX_WEIGHTS` elements each.
    """
    blocks = []
    start = 0
    while start < mel.shape[1]:
        block = _trimmed(mel, start, start + 1)
        stop = start + 1
        while stop < mel.shape[1]:
            wider = _trimmed(mel, start, stop + 1)
            if wider[1].size > _MAX_WEIGHTS:
                break
            block, stop = wider, stop + 1
        blocks.append(block)
        start = stop
    return blocks


def _trimmed(mel: np.ndarray, start: int, stop: int) -> tuple[int, np.ndarray]:
    """Returns the first bin and the rows with a weight in some of the bands."""
    rows = np.flatnonzero(mel[:, start:stop].any(axis=1))
    low, high = (rows[0], rows[-1] + 1) if rows.size else (0, 1)
    return int(low), mel[low:high, start:stop].astype(np.float32)
