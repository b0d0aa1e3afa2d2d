"""The dynamic-range file of a model: how it scores, its size, its speed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cry_export import ConversionError, ParityError
from cry_lite.interpreter import LiteRTModel
from cry_tf import exporting
from cry_tf.data.dataset import Dataset
from cry_tf.evaluation.scorer import load_scorer

_CHECKED_CLIPS = 16
_SECONDS = 10
_RUNS = 7


@dataclass(frozen=True)
class MadeFile:
    """A `.tflite` of a model.

    Attributes:
        file_bytes: Its size.
        latency_ms: Median time for 10 s of noise with one thread, milliseconds.
    """

    file_bytes: int
    latency_ms: float


class FoldFiles:
    """Makes files of models and judges them.

    Args:
        work: Folder for the files, for its owner to delete.

    Attributes:
        refused: Why no file is to be had, by name of the model.
    """

    def __init__(self, work: Path):
        self._work = work
        self.refused: dict[str, str] = {}

    def scores(self, name: str, model: Any, fold: Dataset) -> np.ndarray | None:
        """Returns the dynamic-range file's scores of clips, None if there is none."""
        path = self._export(name, model, fold, "dynamic")
        if path is None:
            return None
        score = load_scorer(path).score
        waveforms = fold.waveforms(model.spec.sample_rate_hz)
        return np.stack([score(waveform) for _, waveform in waveforms])

    def measure(
        self, name: str, model: Any, clips: Dataset, quantize: str
    ) -> MadeFile | None:
        """Returns size and speed of a file, None if there is none."""
        path = self._export(name, model, clips, quantize)
        if path is None:
            return None
        runner = LiteRTModel(path, num_threads=1)
        rate_hz = model.spec.sample_rate_hz
        noise = np.random.default_rng(0).normal(0, 0.1, _SECONDS * rate_hz)
        waveform = noise.clip(-1, 1).astype(np.float32)
        times = []
        for _ in range(_RUNS):
            began = time.perf_counter()
            runner(waveform)
            times.append(time.perf_counter() - began)
        # The first run allocates.
        return MadeFile(path.stat().st_size, 1000 * float(np.median(times[1:])))

    def _export(
        self, name: str, model: Any, clips: Dataset, quantize: str
    ) -> Path | None:
        if name in self.refused:
            return None
        path = self._work / f"{name}-{quantize}.tflite"
        count = min(_CHECKED_CLIPS, len(clips))
        evenly = np.linspace(0, len(clips) - 1, count).astype(int)
        try:
            exporting.export(
                model,
                path,
                quantize=quantize,
                check=clips.subset(evenly),
                overwrite=True,
                strict=True,  # the figures are those of the recipe
            )
        except (ParityError, ConversionError) as error:
            self.refused[name] = str(error)
            return None
        return path
