"""One training run: cross-validation, a final model, and how they were made."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from cry_hub.weights import store
from cry_hub.weights.shipped import heard_by
from cry_tf.augment import Policy
from cry_tf.data import EmbeddingCache
from cry_tf.data.content import content_sha256
from cry_tf.data.dataset import Dataset
from cry_tf.evaluation import summary_text
from cry_tf.evaluation.judgement import pretrained_overlap
from cry_tf.evaluation.metrics import measure
from cry_tf.evaluation.predictions import Predictions
from cry_tf.evaluation.threshold import ChosenThreshold
from cry_tf.runs import result_folder
from cry_tf.runs.checkpoint import KeptRun
from cry_tf.runs.forecast import Forecast
from cry_tf.runs.progress import Listener, Silence
from cry_tf.runs.run_folder import RunFolder
from cry_tf.training import build_model, report
from cry_tf.training.baselines import measure_baselines
from cry_tf.training.choose_trainer import find_policy, make_trainer
from cry_tf.training.cross_validation import (
    FINAL,
    HistoryRow,
    cross_validate,
    history_rows,
    predictions_of,
    write_history,
)
from cry_tf.training.devices import find_devices
from cry_tf.training.preparation import check_folds, prepare
from cry_tf.training.recipe import recipe_sentence
from cry_tf.training.report import operating_points
from cry_tf.training.settings import Settings
from cry_tf.training.staged_trainer import StagedTrainer
from cry_tf.training.trainer import Fold, Trainer

# An event that has begun ends a little lower, so that it does not stutter.
_OFFSET_SHARE = 0.8


def train(
    dataset: Dataset,
    settings: Settings,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    listener: Listener | None = None,
    embeddings_dir: str | os.PathLike[str] | None = None,
    origin: str = "",
    resume: bool = False,
    tensorboard: str | os.PathLike[str] | None = None,
    earlier: Mapping[str, Any] | None = None,
) -> RunFolder:
    """Cross-validates, trains a final model on everything, writes a run folder.

    The same seed, data and versions give the same predictions on the same
    machine. What is done is kept after each epoch in a hidden folder beside the
    run, until that is written: a killed run goes on with `resume`, and ends as it
    would have.

    Args:
        dataset: Labelled clips with their groups.
        settings: What to train and how.
        path: The run folder to write. It appears when everything is done, or
            not at all.
        overwrite: True replaces an earlier run, finished or interrupted.
        listener: Hears how far it is; None for silence.
        embeddings_dir: Where embeddings are kept, see `EmbeddingCache`.
        origin: Where the data came from, for the record.
        resume: True goes on with an interrupted run, if one is kept.
        tensorboard: Folder to write logs for TensorBoard into, or None.
        earlier: The `config.json` of a run to make again; the listener is warned
            of what differs in data, weights and versions.

    Returns:
        The finished run.

    Raises:
        ValueError: If the data do not suffice, weights do not fit, or the loss
            does not stay finite; with `resume`, if data or settings are not
            those that the run began with.
        FileExistsError: If a run is there, or an interrupted one, and neither
            `overwrite` nor `resume` is given.
        OSError: If the folder cannot be written.
    """
    listener = listener or Silence()
    devices = find_devices(settings.strategy, _trained_at_once(settings))
    path = devices.place(path)
    if resume and devices.cluster.workers > 1:
        raise ValueError(
            "An interrupted run goes on with one worker alone: only the first keeps "
            f"how far it was. Received: {devices.cluster.workers} workers. Train anew, "
            "or give --strategy mirrored or none."
        )
    result_folder.check(path, overwrite)
    if tensorboard is not None and importlib.util.find_spec("tensorboard") is None:
        raise ValueError(
            "Logs for TensorBoard take the package tensorboard, which is not "
            "installed. Run: pip install tensorboard"
        )
    with (
        KeptRun.of(path).open(resume, overwrite and not resume) as kept,
        result_folder.writing(path, overwrite) as part,
    ):
        if resume and not kept.has_progress:
            listener.line("nothing is kept of an earlier run: it begins anew")
        build_model.check_backbone(settings)
        policy = find_policy(settings)  # before every clip is decoded
        kept.require_same(_facts(dataset, settings, policy))
        listener.line(f"recipe: {recipe_sentence(settings.recipe)}")
        prepared = prepare(dataset, settings, listener)
        keras.utils.set_random_seed(settings.seed)
        devices.check_alike("clips", prepared.dataset.sha256, settings.seed)
        with devices.scope():
            model = build_model.build(prepared, settings)
        for difference in report.differences(earlier, prepared, model):
            listener.warn(difference)
        listener.line(f"backbone: {settings.backbone}, {model.backbone.weights_source}")
        heard = heard_by(model.backbone.weights_sha256)
        if sentence := pretrained_overlap(heard, prepared.dataset):
            listener.warn(sentence)
        if settings.strategy not in ("none", "auto") or devices.replicas > 1:
            listener.line(f"strategy: {settings.strategy}, {devices.sentence}")
        cache = EmbeddingCache(embeddings_dir)
        trainer, prepared = make_trainer(
            model, prepared, settings, listener, cache, devices, kept.maps
        )
        logs = None if tensorboard is None else Path(tensorboard).expanduser()
        predictions, history = _run(
            trainer, prepared.dataset, settings, listener, kept, logs
        )
        chosen = None
        if predictions.positive_label is not None:
            chosen = ChosenThreshold.of(predictions)
            model.decision = model.decision.replace(
                onset_threshold=chosen.threshold,
                offset_threshold=_OFFSET_SHARE * chosen.threshold,
            )
        build_model.save(part, build_model.uncompiled(model), trainer)
        write_history(part / "history.csv", history)
        made = report.Made(
            settings=settings,
            prepared=prepared,
            model=model,
            predictions=predictions,
            metrics=measure(predictions),
            threshold=chosen,
            baselines=measure_baselines(
                prepared, predictions, settings, cache.dir, listener
            ),
            origin=origin,
            notes=trainer.notes if isinstance(trainer, StagedTrainer) else (),
        )
        report.write(part, made, listener.warn)
        summary_text.tell(
            listener, made.metrics, operating_points(made), made.baselines
        )
    devices.wait()
    return RunFolder.open(path)


def _trained_at_once(settings: Settings) -> str:
    """Returns `all` if every layer is trained in one stage, at one rate."""
    recipe = settings.recipe
    is_plain = len(recipe.stages) == 1 and recipe.depth_factor == 1
    return recipe.trains if is_plain else "stages"


def _facts(
    dataset: Dataset, settings: Settings, policy: Policy | None
) -> dict[str, Any]:
    """Returns what must be the same where a run goes on."""
    return {
        "data": {"sha256": dataset.sha256},
        "settings": settings.to_dict(),
        "augmentation": None if policy is None else policy.fingerprint(),
        "weights": {"sha256": _weights_digest(settings)},
        "versions": report.versions(),
    }


def _weights_digest(settings: Settings) -> str | None:
    if settings.weights is None:
        return None
    if settings.weights == "pretrained":
        file = store.obtain(settings.backbone)
    else:
        file = Path(settings.weights).expanduser()
    return content_sha256(file) if file.is_file() else None


def _run(
    trainer: Trainer,
    dataset: Dataset,
    settings: Settings,
    listener: Listener,
    kept: KeptRun,
    tensorboard: Path | None,
) -> tuple[Predictions, list[HistoryRow]]:
    """Cross-validates, then leaves the trainer's model trained on every clip."""
    folds = dataset.fold_indices(settings.folds, settings.seed)
    check_folds(dataset, folds, settings, listener)
    fits = len(folds) + 1
    forecast = Forecast(trainer.epochs, fits)
    title = f"training ({len(folds)} folds, then all)"
    with listener.progress(title, sum(trainer.epochs) * fits) as advance:

        def tell(epoch: int, was_trained: bool) -> None:
            advance(forecast.tell(epoch, was_trained))

        found = cross_validate(trainer, folds, tell, kept, tensorboard)
        trainer.reset()
        everything = np.arange(len(dataset))
        around = Fold(FINAL, kept.slot(FINAL), tensorboard)
        final = trainer.fit(everything, tell, around)
    predictions = predictions_of(dataset, found.scores, found.folds, settings.task)
    return predictions, [*found.history, *history_rows(FINAL, final)]
