"""Lets a network take waveforms of another sample rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from cry_hub.time_mask import cleared, completed, fit, real_length

ops: Any = keras.ops  # typed, wrongly, as often None

# Kaiser's formulas: 80 dB below, in a transition that ends at half of the lower rate.
_KAISER_BETA = 7.86
_PERIODS = 64
_TRANSITION = 5.0 / _PERIODS


class Resampler:
    """A band-limited resampler of exact ratio: a windowed sinc in polyphase form.

    What is below 0.92 of half of the lower rate passes unchanged (within 0.01 %);
    what is above that half is 80 dB weaker. A faster rate adds no frequencies: a
    teacher at 32 kHz gets from a waveform at 16 kHz what is below 8 kHz. Padding
    takes no part and becomes zeros.

    Args:
        from_hz: Int, rate of the waveform, Hz.
        to_hz: Int, rate wanted, Hz.
    Call arguments:
        waveform: Float tensor `(batch, samples)`.

    Returns:
        Float32 `(batch, ceil(samples * to_hz / from_hz))`.
    """

    def __init__(self, from_hz: int, to_hz: int):
        divisor = math.gcd(from_hz, to_hz)
        # So many samples become so many.
        self.old, self.new = from_hz // divisor, to_hz // divisor
        self._kernel, self._before = _polyphase(self.old, self.new)

    def __call__(self, waveform: Any) -> Any:
        """Resamples a batch."""
        waveform = ops.cast(waveform, "float32")
        if self.old == self.new:
            return waveform
        batch, samples = ops.shape(waveform)
        length = real_length(waveform)
        waveform = cleared(waveform, length)[:, :samples]
        rows = (samples + self.old - 1) // self.old
        signal = ops.reshape(
            completed(waveform, rows * self.old), (batch, -1, self.old)
        )
        after = self._kernel.shape[0] - 1 - self._before
        signal = ops.pad(signal, ((0, 0), (self._before, after), (0, 0)))
        signal = ops.conv(signal, self._kernel, padding="valid")
        signal = ops.reshape(signal, (batch, rows * self.new))
        signal = fit(signal, self._length(samples))
        real = ops.expand_dims(self._length(length), 1)
        is_real = ops.arange(ops.shape(signal)[1], dtype="int32") < real
        return signal * ops.cast(is_real, "float32")

    def _length(self, samples: Any) -> Any:
        # In whole rows first: samples times 160 could leave int32.
        rows, rest = samples // self.old, samples % self.old
        return rows * self.new + (rest * self.new + self.old - 1) // self.old


def _polyphase(old: int, new: int) -> tuple[np.ndarray, int]:
    """Returns float32 `(rows, old, new)`, and how many rows lie before the first.

    `output[r * new + j]` lies at `(j / new + r) * old` on the input's axis, and sums
    the samples `i` around with `h(position - i)`.
    """
    lower = min(1.0, new / old)  # rate of the slower, in the input's
    centre = lower * (1 - _TRANSITION) / 2  # cycles a sample of the input
    half = _PERIODS / 2 / lower  # samples of the input
    before = math.ceil(half / old)
    after = math.ceil((half + old) / old)
    position = np.arange(new) * old / new
    sample = np.arange(-before * old, (after + 1) * old)
    distance = position[None, :] - sample[:, None]
    window = np.where(
        np.abs(distance) <= half,
        np.i0(_KAISER_BETA * np.sqrt(np.clip(1 - (distance / half) ** 2, 0, None)))
        / np.i0(_KAISER_BETA),
        0.0,
    )
    taps = 2 * centre * np.sinc(2 * centre * distance) * window
    taps /= taps.sum(axis=0)  # every phase passes a constant unchanged
    return taps.reshape(-1, old, new).astype(np.float32), before


class ResampledBackbone:
    """A backbone behind a band-limited resampler, as the embedding cache takes it.

    Args:
        backbone: A `cry_hub` backbone.
        from_hz: Rate of the waveforms, Hz.
    """

    def __init__(self, backbone: Any, from_hz: int):
        own = backbone.front_end_spec
        self._backbone = backbone
        self._resample = Resampler(from_hz, own.sample_rate_hz)
        self.front_end_spec = ResampledFrontEnd(from_hz, own)
        self.prefers_jit: bool = backbone.prefers_jit

    @property
    def weights(self) -> list[Any]:
        """The backbone's."""
        return self._backbone.weights

    def time_mask(self) -> Any:
        """Returns what gives the backbone's mask of a waveform."""
        mask = self._backbone.time_mask()
        return lambda waveforms: mask(self._resample(waveforms))

    def __call__(self, waveforms: Any, training: bool = False) -> Any:
        """Returns the backbone's embeddings `(batch, time, features)`."""
        return self._backbone(self._resample(waveforms), training=training)

    def get_config(self) -> dict[str, Any]:
        """Returns what the embeddings depend on besides weights and rate."""
        kind = type(self._backbone)
        return {
            "backbone": f"{kind.__module__}.{kind.__name__}",
            "config": self._backbone.get_config(),
        }


@dataclass(frozen=True)
class ResampledFrontEnd:
    """A front end behind a resampler, as the embedding cache asks of one."""

    sample_rate_hz: int
    behind: Any

    def to_dict(self) -> dict[str, Any]:
        """Returns what the embeddings depend on."""
        return {"sample_rate_hz": self.sample_rate_hz, "behind": self.behind.to_dict()}
