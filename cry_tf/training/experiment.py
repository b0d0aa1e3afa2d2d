"""One training run: cross-validation, a final model, and how they were made."""

from __future__ import annotations

import csv
import dataclasses
import importlib.util
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

import cry_hub
from cry_hub import registry
from cry_hub.weights import store
from cry_hub.weights.shipped import heard_by
from cry_tf.augment import Policy
from cry_tf.data import EmbeddingCache, sound_source
from cry_tf.data.content import content_sha256
from cry_tf.data.dataset import Dataset
from cry_tf.evaluation import result_folder, summary_text
from cry_tf.evaluation.figures import Summary
from cry_tf.evaluation.judgement import pretrained_overlap
from cry_tf.evaluation.metrics import measure
from cry_tf.evaluation.predictions import Predictions
from cry_tf.heads import model_head, storing
from cry_tf.heads.gaussian_mixture import GaussianMixtureHead
from cry_tf.heads.support_vectors import SVMHead
from cry_tf.layers import SpecAugment
from cry_tf.models import CryClassifier, CryDetector, with_spec_augment
from cry_tf.models.preset import load_backbone
from cry_tf.training import detection_labels, record, strategy
from cry_tf.training.baselines import BASELINES, score_baselines
from cry_tf.training.course import Fold
from cry_tf.training.cross_validation import (
    FINAL,
    HistoryRow,
    cross_validate,
    history_rows,
)
from cry_tf.training.fit import Trainer
from cry_tf.training.fit_stages import StagedTrainer
from cry_tf.training.forecast import Forecast
from cry_tf.training.kept_run import KeptRun
from cry_tf.training.listener import Listener, Silence
from cry_tf.training.preparation import Prepared, prepare
from cry_tf.training.recipe import Recipe
from cry_tf.training.run import FEATURES_FILE, MODEL_FILE, RunFolder
from cry_tf.training.settings import Settings
from cry_tf.training.threshold import ChosenThreshold
from cry_tf.training.trainers import check_folds, find_policy, make_trainer

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
    devices = strategy.find(settings.strategy, _trained_at_once(settings))
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
        _check_backbone(settings)
        policy = find_policy(settings)  # before every clip is decoded
        kept.require_same(_facts(dataset, settings, policy))
        listener.line(f"recipe: {record.recipe_sentence(settings.recipe)}")
        prepared = prepare(dataset, settings, listener)
        keras.utils.set_random_seed(settings.seed)
        devices.check_alike("clips", prepared.dataset.sha256, settings.seed)
        with devices.scope():
            model = _build(prepared, settings)
        for difference in record.differences(earlier, prepared, model):
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
        _save(part, uncompiled(model), trainer)
        _write_history(part / "history.csv", history)
        made = record.Made(
            settings=settings,
            prepared=prepared,
            model=model,
            predictions=predictions,
            metrics=measure(predictions),
            threshold=chosen,
            baselines=_baselines(prepared, predictions, settings, cache, listener),
            origin=origin,
            notes=trainer.notes if isinstance(trainer, StagedTrainer) else (),
        )
        record.write(part, made)
        summary_text.tell(
            listener, made.metrics, record.operating_points(made), made.baselines
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
        "versions": record.versions(),
    }


def _weights_digest(settings: Settings) -> str | None:
    if settings.weights is None:
        return None
    if settings.weights == "pretrained":
        file = store.obtain(settings.backbone)
    else:
        file = Path(settings.weights).expanduser()
    return content_sha256(file) if file.is_file() else None


def _front_end(settings: Settings) -> dict[str, Any]:
    """Returns what a recipe asks of the front end, beyond the usual."""
    recipe = settings.recipe
    asked = {"pre_emphasis": recipe.pre_emphasis, "z_score": recipe.z_score}
    return {name: value for name, value in asked.items() if value}


def as_precise(recipe: Recipe) -> dict[str, Any]:
    """Returns what makes a backbone compute as the recipe says."""
    precision = recipe.precision
    return {} if precision == "float32" else {"dtype": f"mixed_{precision}"}


def _check_backbone(settings: Settings) -> None:
    """Fetches weights, or says that they are missing, before a clip is decoded."""
    registry.get(settings.backbone)
    if _front_end(settings) or settings.recipe.spec_augment:
        _hiding(
            load_backbone(settings.backbone, None, None, True, **_front_end(settings)),
            settings,
        )
    if settings.weights == "pretrained":
        store.obtain(settings.backbone)
    elif settings.weights is not None and not Path(settings.weights).is_file():
        # A folder or the prefix of a checkpoint; loading has the words if not.
        cry_hub.load(settings.backbone, weights=settings.weights)


def _build(prepared: Prepared, settings: Settings) -> Any:
    model_class = CryDetector if settings.task == "detect" else CryClassifier
    backbone = load_backbone(
        settings.backbone,
        settings.weights,
        prepared.bandwidth.cutoff_hz,
        trainable=settings.recipe.trains == "all",
        **_front_end(settings),
        **as_precise(settings.recipe),
    )
    return model_class(
        _hiding(backbone, settings),
        labels=prepared.dataset.labels,
        pooling=settings.pooling,
        dropout=settings.recipe.dropout,
        head=model_head(settings.recipe.head),
    )


def _hiding(backbone: Any, settings: Settings) -> Any:
    """Lets the backbone hear less in training, if the recipe says so."""
    if not settings.recipe.spec_augment:
        return backbone
    return with_spec_augment(backbone, SpecAugment(seed=settings.seed))


def uncompiled(model: Any) -> Any:
    """Returns a copy to save: float32, and no optimizer, which trebles the file."""
    config = model.get_config()
    if model.backbone.dtype_policy.name != "float32":
        config["backbone"]["config"]["dtype"] = "float32"
    copy = type(model).from_config(config)
    copy.set_weights(model.get_weights())
    return copy


def _save(folder: Path, model: Any, trainer: Trainer) -> None:
    """Writes the model, or what stands before a head that no network can hold."""
    head = getattr(trainer, "head", None)
    if not isinstance(head, SVMHead | GaussianMixtureHead):
        model.save(folder / MODEL_FILE)
        return
    features = keras.Model(model.input, model.pooling.output, name="features")
    features.save(folder / FEATURES_FILE)
    storing.save(folder, head)


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
    is_detector = settings.task == "detect"
    predictions = Predictions(
        files=tuple(clip.name for clip in dataset.clips),
        labels=dataset.labels,
        truth=dataset.label_indices,
        scores=found.scores,
        groups=tuple(clip.group for clip in dataset.clips),
        folds=found.folds,
        durations_s=np.array(
            [sound_source.info(clip.path).duration_s for clip in dataset.clips]
        ),
        positive_label=detection_labels.POSITIVE if is_detector else None,
    )
    return predictions, [*found.history, *history_rows(FINAL, final)]


def _baselines(
    prepared: Prepared,
    predictions: Predictions,
    settings: Settings,
    cache: EmbeddingCache,
    listener: Listener,
) -> tuple[tuple[str, Summary], ...]:
    """Measures classical methods on the folds of the model."""
    if not settings.baselines:
        return ()
    dataset = prepared.dataset
    steps = len(dataset) + settings.folds * len(BASELINES)
    with listener.progress("classical baselines", steps) as advance:
        try:
            scores = score_baselines(
                dataset,
                dataset.fold_indices(settings.folds, settings.seed),
                settings.seed,
                is_balanced=settings.recipe.imbalance != "none",
                cutoff_hz=prepared.bandwidth.cutoff_hz,
                cache_dir=cache.dir,
                tell=advance,
            )
        except (ValueError, OSError) as error:  # the model itself is not lost
            listener.warn(f"the classical baselines are left out: {error}")
            return ()
    return tuple(
        (name, measure(predictions.replace(scores=found)).model)
        for name, found in scores.items()
    )


def _write_history(path: Path, history: Sequence[HistoryRow]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as stream:
        names = [field.name for field in dataclasses.fields(HistoryRow)]
        writer = csv.DictWriter(stream, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(dataclasses.asdict(row) for row in history)  # None is empty
