"""Which values each tensor takes on real clips, and the int8 scale that spans them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cry_export.operators import read_graph, write_graph
from cry_export.quiet import quiet
from cry_lite.interpreter import open_interpreter


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

    def levels(self, values: np.ndarray) -> np.ndarray:
        """Returns the levels of the values, clipped to int8."""
        levels = np.rint(values / self.scale) + self.zero_point
        return np.clip(levels, -128, 127).astype(np.int8)


def find_ranges(
    tflite: bytes, waveforms: Sequence[np.ndarray], tensors: Collection[int]
) -> dict[int, tuple[float, float]]:
    """Runs clips through a file and finds the range of some of its tensors.

    Args:
        tflite: A float32 flatbuffer, waveform in.
        waveforms: Clips, float32 `(samples,)`.
        tensors: Indices of the tensors.

    Returns:
        The least and the largest value of each tensor, (0, 0) of one that was empty.
    """
    ranges: dict[int, tuple[float, float]] = {}
    for values in trace(tflite, waveforms, tensors):
        for index, seen in values.items():
            if not seen.size:
                continue
            low, high = ranges.get(index, (np.inf, -np.inf))
            # NumPy's minimum keeps NaN, Python's min does not.
            ranges[index] = (
                float(np.minimum(low, seen.min())),
                float(np.maximum(high, seen.max())),
            )
    return {index: ranges.get(index, (0.0, 0.0)) for index in tensors}


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
