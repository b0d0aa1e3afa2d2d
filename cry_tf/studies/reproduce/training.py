"""Trains one row on one split, and makes files of each fold's model."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from cry_export import ConversionError, ParityError
from cry_tf import exporting
from cry_tf.data import EmbeddingCache
from cry_tf.data.dataset import Dataset
from cry_tf.distillation.distill_settings import DistillSettings
from cry_tf.papers.row import Experiment
from cry_tf.runs.predictions import Predictions
from cry_tf.runs.progress import Progress
from cry_tf.studies.reproduce.clips import Split, by_clip
from cry_tf.studies.reproduce.result import Measured, Result, measure_part
from cry_tf.studies.reproduce.teacher_scores import (
    DistillingTrainer,
    ScoreKeepingTrainer,
    TeacherScores,
)
from cry_tf.training.baselines import score_baselines
from cry_tf.training.context import RunContext
from cry_tf.training.cross_validation import (
    cross_validate,
    fold_of_clip,
    predictions_of,
)
from cry_tf.training.plan import Plan, build
from cry_tf.training.preparation import Prepared, prepare
from cry_tf.training.settings import Settings
from cry_tf.training.trainer import History, Trainer

QUANTIZATIONS = ("none", "dynamic")


class ExportingTrainer:
    """Wraps a trainer, and exports the model after each fit.

    Where the other is asked for scores, the model becomes a file of each
    quantization, compared with the model on clips of the fold, and the fold is scored
    by the files too.

    Args:
        trainer: Trains `model`.
        model: A `CryModel`.
        dataset: The clips that places refer to.
        work: Folder for the files, for its owner to delete.

    Attributes:
        epochs: Epochs of each stage of the other trainer.
        scores: By quantization, float array `(clips, labels)`.
        file_bytes: By quantization, size of the last file. The files of the folds
            differ by a few bytes of compressed metadata at most.
        refused: By quantization, why there is no file. It has no scores then.
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
        made = exporting.export_fold(self._model, path, fold, quantization)
        self.file_bytes[quantization] = made.file_bytes
        return exporting.file_scores(path, fold)


@dataclass(frozen=True)
class Trained:
    """What a training on one split gave.

    Attributes:
        result: Its figures.
        predictions: Of each variant, with the true groups.
        teacher_scores: Scores of every clip by the network of each fold, if asked for.
    """

    result: Result
    predictions: dict[str, Predictions]
    teacher_scores: TeacherScores | None = None


def run(
    dataset: Dataset,
    experiment: Experiment,
    settings: Settings,
    split: Split,
    parts: Sequence[str],
    work: Path,
    progress: Progress,
    embeddings_dir: Path | None = None,
    *,
    teacher_scores: TeacherScores | None = None,
    is_teacher: bool = False,
) -> Trained:
    """Cross-validates an experiment on one split.

    Args:
        dataset: The clips of the task, with their infants as groups.
        experiment: What is trained.
        settings: How.
        split: `by_clip` or `by_infant`.
        parts: What is to be measured, see `Row.part`.
        work: An empty folder for files on the way.
        progress: Takes lines, warnings and progress.
        embeddings_dir: Folder of the embedding cache, see `EmbeddingCache`.
        teacher_scores: Scores of each fold's teacher; None trains on labels alone.
        is_teacher: Whether to keep the scores that each network gives every clip.

    Raises:
        ValueError: If labels or groups do not suffice, or a loss is not finite.
    """
    started = time.monotonic()
    infant_of = {clip.path: clip.group for clip in dataset.clips}
    # The clips were checked once for all rows, so this step prints nothing.
    split_clips = by_clip(dataset) if split == "by_clip" else dataset
    cache = EmbeddingCache(embeddings_dir)
    prepared = prepare(split_clips, settings, RunContext(embeddings=cache))
    context = RunContext(progress=progress, embeddings=cache)
    sizes, refused = {}, {}
    weights, accuracy, kept = "none", None, None
    if experiment.classical:
        scores, folds = _classical(prepared, experiment, settings, context)
    else:
        keras.backend.clear_session()
        plan, kept, exporting = _plan(
            prepared, experiment, settings, teacher_scores, is_teacher, work, context
        )
        prepared, weights = plan.prepared, plan.model.backbone.weights_source
        out = cross_validate(plan, context, is_final=False)
        scores, folds = {"keras": out.scores}, out.folds
        if exporting is not None:
            scores |= exporting.scores
            sizes, refused = exporting.file_bytes, exporting.refused
        last = {row.fold: row.accuracy for row in out.history}
        accuracy = float(np.mean(list(last.values())))
    predictions = {
        variant: predictions_of(
            prepared.dataset, values, folds, settings.task, infant_of
        )
        for variant, values in scores.items()
    }
    result = Result(
        parts={v: _measure(found, parts) for v, found in predictions.items()},
        file_bytes=sizes,
        refused=refused,
        left_out=len(dataset) - len(prepared.dataset),
        weights=weights,
        training_accuracy=accuracy,
        seconds=time.monotonic() - started,
    )
    return Trained(result, predictions, kept.teacher_scores(folds) if kept else None)


def _plan(
    prepared: Prepared,
    experiment: Experiment,
    settings: Settings,
    teacher_scores: TeacherScores | None,
    is_teacher: bool,
    work: Path,
    context: RunContext,
) -> tuple[Plan, ScoreKeepingTrainer | None, ExportingTrainer | None]:
    """Returns the plan of a row, with the trainers that keep scores and export."""
    if teacher_scores is None:
        plan = build(prepared, settings, context)
    else:

        def distilling(model, prepared, settings, context):
            how = DistillSettings(student=settings)
            dataset = prepared.dataset
            trainer = DistillingTrainer(model, dataset, how, teacher_scores, context)
            return trainer, prepared

        plan = build(prepared, settings, context, distilling)
    noting, exporting = None, None
    if is_teacher:
        noting = ScoreKeepingTrainer(plan.trainer, len(plan.prepared.dataset))
        plan = plan.replace(trainer=noting)
    if experiment.exports:
        exporting = ExportingTrainer(
            plan.trainer, plan.model, plan.prepared.dataset, work
        )
        plan = plan.replace(trainer=exporting)
    return plan, noting, exporting


def _classical(
    prepared: Prepared,
    experiment: Experiment,
    settings: Settings,
    context: RunContext,
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    dataset = prepared.dataset
    folds = dataset.fold_indices(settings.folds, settings.seed)
    steps = len(dataset) + len(folds)
    with context.progress.bar("training", steps) as advance:
        scores = score_baselines(
            dataset,
            folds,
            settings.seed,
            is_balanced=settings.recipe.imbalance != "none",
            cutoff_hz=prepared.bandwidth.cutoff_hz,
            cache_dir=context.embeddings.dir,
            tell=advance,
            only=experiment.classical,
        )
    return {"keras": scores[experiment.classical]}, fold_of_clip(folds)


def _measure(predictions: Predictions, parts: Sequence[str]) -> dict[str, Measured]:
    """Measures every part that these labels and folds have."""
    found = {}
    for part in parts:
        label = part.removeprefix("label:")
        if part.startswith("label:") and label not in predictions.labels:
            continue
        found[part] = measure_part(predictions, part)
    return found
