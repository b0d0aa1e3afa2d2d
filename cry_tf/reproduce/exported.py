"""Judges the files that would ship: one `.tflite` a fold, on clips it never heard."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from cry_export import ConversionError, ParityError
from cry_tf import exporting
from cry_tf.data.dataset import Dataset
from cry_tf.evaluation.scorer import load_scorer
from cry_tf.training.trainer import History, Trainer

QUANTIZATIONS = ("none", "dynamic")
# To be compared with the model before a file is judged on all, as in `cry-tf distill`.
_CHECKED_CLIPS = 16


class ExportingTrainer:
    """Trains as another trainer does, and exports what it has trained.

    Where the other is asked for scores, the model becomes a file of each
    quantization, compared with the model on clips of the fold, and the fold is scored
    by the files too.

    Args:
        trainer: Trains `model`.
        model: A `CryModel`.
        dataset: The clips that places refer to.
        work: Folder for the files, for its owner to delete.

    Attributes:
        epochs: Of the other trainer.
        scores: By quantization, float array `(clips, labels)`.
        file_bytes: By quantization, size of the last file. The files of the folds
            differ by a few bytes of compressed metadata at most.
        refused: By quantization, why no file is to be had. It has no scores then.
    """

    def __init__(self, trainer: Trainer, model: Any, dataset: Dataset, work: Path):
        self._trainer, self._model = trainer, model
        self._dataset, self._work = dataset, work
        self.epochs = trainer.epochs
        shape = (len(dataset), len(dataset.labels))
        self.scores = {name: np.full(shape, np.nan) for name in QUANTIZATIONS}
        self.file_bytes: dict[str, int] = {}
        self.refused: dict[str, str] = {}

    def reset(self) -> None:
        """Puts back the weights, optimizer and random state of the beginning."""
        self._trainer.reset()

    def fit(self, *args: Any, **kwargs: Any) -> History:
        """Trains; see `Trainer`."""
        return self._trainer.fit(*args, **kwargs)

    def predict(self, indices: np.ndarray) -> np.ndarray:
        """Scores clips by the model, and by its files on the way."""
        fold = self._dataset.subset(indices)
        for name in QUANTIZATIONS:
            if name in self.refused:
                continue
            try:
                self.scores[name][indices] = self._score(fold, name)
            except (ParityError, ConversionError) as error:
                # The network's own figures are not lost.
                self.refused[name] = self._without_paths(str(error))
                del self.scores[name]
                self.file_bytes.pop(name, None)
        return self._trainer.predict(indices)

    def _without_paths(self, sentence: str) -> str:
        """Drops what names a folder that is gone when this is read."""
        for report in self._work.glob("*.json"):
            sentence = sentence.replace(f" Figures: {report}.", "")
        return sentence.replace(f"{self._work}{os.sep}", "")

    def _score(self, fold: Dataset, quantization: str) -> np.ndarray:
        path = self._work / f"{quantization}.tflite"
        count = min(_CHECKED_CLIPS, len(fold))
        checked = fold.subset(np.linspace(0, len(fold) - 1, count).astype(int))
        made = exporting.export(
            self._model,
            path,
            quantize=quantization,
            check=checked,
            overwrite=True,
            strict=True,
        )
        self.file_bytes[quantization] = made.file_bytes
        score = load_scorer(path).score
        waveforms = fold.waveforms(self._model.spec.sample_rate_hz)
        return np.stack([score(waveform) for _, waveform in waveforms])
