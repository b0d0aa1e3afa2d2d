"""Trains one row on one split: cross-validation from the first weights."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from cry_tf.data import Dataset, EmbeddingCache
from cry_tf.distillation.settings import DistillSettings
from cry_tf.evaluation.predictions import Predictions
from cry_tf.reproduce.clips import Split, by_clip
from cry_tf.reproduce.exported import ExportingTrainer
from cry_tf.reproduce.measuring import Measured, measure_part
from cry_tf.reproduce.result import Result
from cry_tf.reproduce.row import Experiment
from cry_tf.reproduce.taught import TaughtTrainer
from cry_tf.reproduce.teaching import HeardTrainer, Teaching
from cry_tf.runs.progress import Listener
from cry_tf.training.baselines import score_baselines
from cry_tf.training.context import RunContext
from cry_tf.training.cross_validation import (
    cross_validate,
    fold_of_clip,
    predictions_of,
)
from cry_tf.training.plan import Plan, build, build_network
from cry_tf.training.preparation import Prepared, check_folds, prepare
from cry_tf.training.settings import Settings


@dataclass(frozen=True)
class Trained:
    """What a training on one split gave.

    Attributes:
        result: Its figures.
        predictions: Of each variant, with the true groups.
        teaching: What its networks say of every clip, if that was asked for.
    """

    result: Result
    predictions: dict[str, Predictions]
    teaching: Teaching | None = None


def run(
    dataset: Dataset,
    experiment: Experiment,
    settings: Settings,
    split: Split,
    parts: Sequence[str],
    work: Path,
    listener: Listener,
    embeddings_dir: Path | None = None,
    *,
    teaching: Teaching | None = None,
    teaches: bool = False,
) -> Trained:
    """Cross-validates an experiment on one split.

    Args:
        dataset: The clips of the task, with their infants as groups.
        experiment: What is trained.
        settings: How.
        split: `by_clip` or `by_infant`.
        parts: What is to be measured, see `Row.part`.
        work: An empty folder for files on the way.
        listener: Hears how far it is.
        embeddings_dir: Where embeddings are kept, see `EmbeddingCache`.
        teaching: What the teacher of each fold says, or None for the labels alone.
        teaches: Whether the networks are to say what they make of every clip.

    Raises:
        ValueError: If labels or groups do not suffice, or a loss is not finite.
    """
    started = time.monotonic()
    infant_of = {clip.path: clip.group for clip in dataset.clips}
    # The clips were checked once for all rows, so nothing is told again here.
    split_clips = by_clip(dataset) if split == "by_clip" else dataset
    cache = EmbeddingCache(embeddings_dir)
    prepared = prepare(split_clips, settings, RunContext(embeddings=cache))
    context = RunContext(progress=listener, embeddings=cache)
    sizes, refused = {}, {}
    weights, accuracy, kept = "none", None, None
    if experiment.classical:
        scores, folds = _classical(prepared, experiment, settings, context)
    else:
        keras.backend.clear_session()
        plan, kept, exporting = _plan(
            prepared, experiment, settings, teaching, teaches, work, context
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
    return Trained(result, predictions, kept.teaching(folds) if kept else None)


def _plan(
    prepared: Prepared,
    experiment: Experiment,
    settings: Settings,
    teaching: Teaching | None,
    teaches: bool,
    work: Path,
    context: RunContext,
) -> tuple[Plan, HeardTrainer | None, ExportingTrainer | None]:
    """Returns the plan of a row, with what notes scores and makes files of it."""
    if teaching is None:
        plan = build(prepared, settings, context)
    else:
        how = DistillSettings(student=settings)
        model, warnings = build_network(prepared, settings, context)
        folds = prepared.dataset.fold_indices(settings.folds, settings.seed)
        check_folds(prepared.dataset, folds, settings, context)
        trainer = TaughtTrainer(model, prepared.dataset, how, teaching, context)
        plan = Plan(settings, prepared, model, trainer, folds, warnings)
    noting, exporting = None, None
    if teaches:
        noting = HeardTrainer(plan.trainer, len(plan.prepared.dataset))
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
    with context.progress.progress("training", steps) as advance:
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
