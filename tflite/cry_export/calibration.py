"""Which values each tensor takes on real clips, and the int8 scale that suits them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cry_export.operators import read_graph, write_graph
from cry_export.quiet import quiet
from cry_lite.interpreter import open_interpreter

# Enough for the shape of a distribution, of what is loud and of what is not: behind a
# ReLU the loud values are few, and all that passes on.
_SAMPLES_PER_CLIP = 2_048
_LOUD = 0.25  # of the peak
# Parts of the full range that are tried; a long tail may cost precision.
_SHRINKS = np.linspace(1.0, 0.2, 33)


@dataclass(frozen=True)
class Scale:
    """How int8 numbers stand for real ones: `scale * (level - zero_point)`.

    Attributes:
        scale: Float > 0.
        zero_point: The level of 0.0, in [-128, 127].
    """

    scale: float
    zero_point: int

    @classmethod
    def of_range(cls, low: float, high: float) -> Scale:
        """Returns the scale that spans a range, which is widened to hold 0.0."""
        low, high = min(low, 0.0), max(high, 0.0)
        # As a float32, because the file holds one.
        scale = float(np.float32(max(high - low, 1e-6) / 255))
        return cls(scale, int(np.clip(round(-128 - low / scale), -128, 127)))

    def rounded(self, values: np.ndarray) -> np.ndarray:
        """Returns the values after a way through int8, float32."""
        return (self.levels(values) - np.float32(self.zero_point)) * np.float32(
            self.scale
        )

    def levels(self, values: np.ndarray) -> np.ndarray:
        """Returns the levels of the values, clipped to int8."""
        levels = np.rint(values / self.scale) + self.zero_point
        return np.clip(levels, -128, 127).astype(np.int8)


class Observer:
    """Collects the values of one tensor over several clips."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._low, self._high = 0.0, 0.0
        self._samples: list[np.ndarray] = []
        self._weights: list[np.ndarray] = []
        self._scales: dict[float | None, Scale] = {}

    def see(self, values: np.ndarray) -> None:
        """Takes in the values of one clip."""
        values = values.reshape(-1)
        if not len(values):
            return
        self._low = min(self._low, float(values.min()))
        self._high = max(self._high, float(values.max()))
        is_loud = np.abs(values) > _LOUD * max(self._high, -self._low)
        power = float(np.square(values, dtype=np.float64).sum())
        for part in (values[is_loud], values[~is_loud]):
            stands_for = max(1.0, len(part) / _SAMPLES_PER_CLIP)
            if stands_for > 1:
                part = self._rng.choice(part, _SAMPLES_PER_CLIP)
            self._samples.append(part)
            self._weights.append(np.full(len(part), stands_for / (power or 1.0)))

    @property
    def is_finite(self) -> bool:
        """Whether no value was NaN or infinite."""
        return bool(np.isfinite([self._low, self._high]).all())

    def scale(self, floor: float | None = None) -> Scale:
        """Returns the scale with the least noise beside the signal of a clip.

        Each clip counts the same: what is good for most of them must not cut the
        peaks of a loud one.

        Args:
            floor: What reads the tensor treats all values below it as it, so that
                the range need not go lower; None if it does not.
        """
        if floor not in self._scales:
            self._scales[floor] = self._find_scale(floor)
        return self._scales[floor]

    def _find_scale(self, floor: float | None) -> Scale:
        low, high = self._low, self._high
        values = np.concatenate(self._samples or [np.zeros(1, np.float32)])
        if floor is not None:
            low, values = max(low, floor), np.maximum(values, floor)
        scales = [Scale.of_range(low * part, high * part) for part in _SHRINKS]
        weights = np.concatenate(self._weights or [np.ones(1)])
        errors = [
            float(np.square(each.rounded(values) - values, dtype=np.float64) @ weights)
            for each in scales
        ]
        return scales[int(np.argmin(errors))]


def observe(
    tflite: bytes, waveforms: Sequence[np.ndarray], tensors: Collection[int], seed: int
) -> dict[int, Observer]:
    """Runs clips through a file and observes some of its tensors.

    Args:
        tflite: A float32 flatbuffer, waveform in.
        waveforms: Clips, float32 `(samples,)`.
        tensors: Indices of the tensors.
        seed: Seed of the draws that keep the shape of each distribution.

    Returns:
        An observer a tensor.
    """
    observers = {index: Observer(seed + index) for index in tensors}
    for values in trace(tflite, waveforms, tensors):
        for index, seen in values.items():
            observers[index].see(seen)
    return observers


@dataclass(frozen=True)
class ChannelMeans:
    """What the channels of a tensor are on average, before and after int8.

    Attributes:
        real: Float64 `(channels,)`.
        rounded: The same after a way through int8. Behind a ReLU it is another: many
            values are small, and all of them become 0 or one step.
    """

    real: np.ndarray
    rounded: np.ndarray


def channel_means(
    tflite: bytes, waveforms: Sequence[np.ndarray], scales: Mapping[int, Scale]
) -> dict[int, ChannelMeans]:
    """Returns the means of some tensors over clips, channels last.

    Args:
        tflite: A float32 flatbuffer, waveform in.
        waveforms: Clips, float32 `(samples,)`, which count the same.
        scales: Indices of the tensors to how they become int8.
    """
    real: dict[int, list[np.ndarray]] = {index: [] for index in scales}
    rounded: dict[int, list[np.ndarray]] = {index: [] for index in scales}
    for values in trace(tflite, waveforms, scales):
        for index, seen in values.items():
            channels = seen.reshape(-1, seen.shape[-1] if seen.ndim else 1)
            real[index].append(channels.mean(axis=0, dtype=np.float64))
            channels = scales[index].rounded(channels)
            rounded[index].append(channels.mean(axis=0, dtype=np.float64))
    return {
        index: ChannelMeans(np.mean(real[index], 0), np.mean(rounded[index], 0))
        for index in scales
    }


def trace(
    tflite: bytes | Any, waveforms: Sequence[np.ndarray], tensors: Collection[int]
) -> Iterator[dict[int, np.ndarray]]:
    """Yields the values that some tensors take on each clip.

    They become outputs of the file, so that they are those of the kernels that
    will run on the device.

    Args:
        tflite: A flatbuffer, waveform in, or its `ModelT` tree, which is used up.
        waveforms: Clips, float32 `(samples,)`; shorter than a fixed length of the
            file they are completed with zeros, longer ones are cut.
        tensors: Indices of the tensors.
    """
    graph = read_graph(tflite) if isinstance(tflite, bytes) else tflite
    indices = sorted(tensors)
    graph.subgraphs[0].outputs = indices
    graph.signatureDefs = None  # they name the other outputs
    content = write_graph(graph)
    with quiet():
        interpreter = open_interpreter(content)
    taken = interpreter.get_input_details()[0]
    places = [detail["index"] for detail in interpreter.get_output_details()]
    fixed = int(taken["shape_signature"][-1])
    for waveform in waveforms:
        if fixed > 0:
            waveform = np.pad(waveform[:fixed], (0, max(0, fixed - len(waveform))))
        with quiet():
            interpreter.resize_tensor_input(taken["index"], [1, len(waveform)])
            interpreter.allocate_tensors()
        interpreter.set_tensor(taken["index"], waveform[None])
        interpreter.invoke()
        yield {
            index: interpreter.get_tensor(place)
            for index, place in zip(indices, places, strict=True)
        }
