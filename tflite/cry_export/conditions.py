"""Does a file answer the same however it is run?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cry_export.quiet import quiet
from cry_lite.interpreter import open_interpreter


def compare_conditions(
    tflite: bytes, waveforms: Sequence[np.ndarray]
) -> dict[str, float | None]:
    """Runs clips in other ways and compares the scores with the usual ones.

    Usual is XNNPACK, one thread, one clip at a time in a fresh interpreter.

    Args:
        tflite: The file's bytes.
        waveforms: A few clips of different lengths, float32 `(samples,)`, all of the
            file's fixed length if it has one.

    Returns:
        Largest absolute difference of a score under each condition: `no_xnnpack`,
        `two_threads`, `other_lengths` (one interpreter runs the clips one after
        the other and the first again), `batch_of_two`. None where the runtime refuses
        the condition, which is no wrong answer.
    """
    usual = [_Runner(tflite)(clip) for clip in waveforms]
    one, plain, two = (
        _Runner(tflite),
        _Runner(tflite, use_xnnpack=False),
        _Runner(tflite, threads=2),
    )
    again = [one(clip) for clip in waveforms] + [one(waveforms[0])]
    return {
        "no_xnnpack": _largest([plain(clip) for clip in waveforms], usual),
        "two_threads": _largest([two(clip) for clip in waveforms], usual),
        "other_lengths": _largest(again, [*usual, usual[0]]),
        "batch_of_two": _batch_of_two(tflite, waveforms),
    }


class _Runner:
    def __init__(self, tflite: bytes, threads: int = 1, use_xnnpack: bool = True):
        with quiet():
            self._interpreter: Any = open_interpreter(tflite, threads, use_xnnpack)
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]

    def __call__(self, waveform: np.ndarray) -> np.ndarray:
        """Returns the scores of one clip `(samples,)` or a batch of them."""
        batch = waveform if waveform.ndim == 2 else waveform[None]
        with quiet():
            self._interpreter.resize_tensor_input(self._input, batch.shape)
            self._interpreter.allocate_tensors()
        self._interpreter.set_tensor(self._input, batch)
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._output)


def _batch_of_two(tflite: bytes, waveforms: Sequence[np.ndarray]) -> float | None:
    samples = min(len(waveforms[0]), len(waveforms[-1]))
    pair = np.stack([waveforms[0][:samples], waveforms[-1][:samples]])
    alone = [_Runner(tflite)(clip) for clip in pair]
    try:
        together = _Runner(tflite)(pair)
    except (RuntimeError, ValueError):
        return None
    if len(together) != 2:
        return None
    return _largest([together[:1], together[1:]], alone)


def _largest(found: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> float:
    pairs = zip(found, expected, strict=True)
    return float(max(np.abs(a - b).max() for a, b in pairs))
