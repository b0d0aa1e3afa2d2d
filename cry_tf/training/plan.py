"""The second step of every run: the model, its trainer and the folds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

import cry_hub
from cry_hub import registry
from cry_hub.weights import store
from cry_hub.weights.shipped import trained_on
from cry_tf.heads import model_head
from cry_tf.layers import SpecAugment
from cry_tf.models import CryClassifier, CryDetector, with_spec_augment
from cry_tf.models.preset_backbone import load_backbone
from cry_tf.runs.provenance import pretrained_overlap
from cry_tf.training.choose_trainer import make_trainer
from cry_tf.training.context import RunContext
from cry_tf.training.domain_folds import DomainFold, domain_folds
from cry_tf.training.preparation import Prepared, draw_folds
from cry_tf.training.recipe import Recipe
from cry_tf.training.settings import Settings
from cry_tf.training.trainer import Trainer


@dataclass(frozen=True)
class Plan:
    """A model that is ready to be trained.

    Attributes:
        settings: What was asked for.
        prepared: The clips that can be trained on, and what was left out.
        model: The untrained `CryModel`; after the last fit it is the final one.
        trainer: Trains it, a `Trainer`; a distillation's is given logits as well.
        folds: Places of the training and of the test clips of each fold.
        domain_folds: Domains that are left out of training in turn.
        warnings: Reasons why the figures may be too good, a sentence each.
    """

    settings: Settings
    prepared: Prepared
    model: Any
    trainer: Any
    folds: Sequence[tuple[np.ndarray, np.ndarray]]
    warnings: tuple[str, ...] = ()
    domain_folds: Sequence[DomainFold] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks of the trainer for the record, such as reused feature maps."""
        return getattr(self.trainer, "notes", ())

    def replace(self, **changes: Any) -> Plan:
        """Returns a copy with some fields changed."""
        return dataclasses.replace(self, **changes)


# Returns the trainer of a model, and the clips it can train on: those that fail to
# embed are left out only here.
TrainerMaker = Callable[[Any, Prepared, Settings, RunContext], tuple[Trainer, Prepared]]


def build(
    prepared: Prepared,
    settings: Settings,
    context: RunContext,
    make: TrainerMaker = make_trainer,
) -> Plan:
    """Draws the folds, builds the model and its trainer.

    Args:
        prepared: From `prepare`.
        settings: Settings of the run; every one is used.
        context: Progress, cache and checkpoint of the run.
        make: Makes the trainer. Default: the one that the settings ask for.

    Raises:
        ValueError: If weights do not fit, too few clips are left, or a fold cannot
            be trained.
        OSError: If weights or noises cannot be read.
    """
    folds = draw_folds(prepared.dataset, settings, context)
    model, warnings = build_network(prepared, settings, context)
    trainer, kept = make(model, prepared, settings, context)
    if len(kept.dataset) < len(prepared.dataset):
        folds = draw_folds(kept.dataset, settings, context)
    left_out = domain_folds(kept.dataset, settings, context)
    return Plan(settings, kept, model, trainer, folds, warnings, left_out)


def build_network(
    prepared: Prepared, settings: Settings, context: RunContext
) -> tuple[Any, tuple[str, ...]]:
    """Builds the model from its seed, and reports the source of its weights.

    Returns:
        The untrained `CryModel`, and reasons why the figures may be too good.
    """
    keras.utils.set_random_seed(settings.seed)
    context.devices.check_alike("clips", prepared.dataset.sha256, settings.seed)
    with context.devices.scope():
        model = new_model(prepared, settings)
    backbone = model.backbone
    context.progress.line(f"backbone: {settings.backbone}, {backbone.weights_source}")
    if settings.strategy not in ("none", "auto") or context.devices.replicas > 1:
        sentence = context.devices.sentence
        context.progress.line(f"strategy: {settings.strategy}, {sentence}")
    overlap = pretrained_overlap(trained_on(backbone.weights_sha256), prepared.dataset)
    if overlap:
        context.progress.warn(overlap)
    return model, (overlap,) if overlap else ()


def new_model(prepared: Prepared, settings: Settings) -> Any:
    """Returns the untrained `CryModel` of a run."""
    backbone = load_backbone(
        settings.backbone,
        settings.weights,
        prepared.bandwidth.cutoff_hz,
        trainable=settings.recipe.trains == "all",
        **_front_end(settings),
        **_precision(settings.recipe),
    )
    parts: dict[str, Any] = {
        "backbone": _hiding(backbone, settings),
        "labels": prepared.dataset.labels,
        "pooling": settings.pooling,
        "dropout": settings.recipe.dropout,
        "head": model_head(settings.recipe.head),
    }
    if settings.task == "detect":
        return CryDetector(**parts, positive_names=settings.positive or ())
    return CryClassifier(**parts)


def check_backbone(settings: Settings) -> None:
    """Fetches weights, or raises if they are missing, before a clip is decoded."""
    registry.get(settings.backbone)
    if _front_end(settings) or settings.recipe.spec_augment:
        _hiding(
            load_backbone(settings.backbone, None, None, True, **_front_end(settings)),
            settings,
        )
    if settings.weights == "pretrained":
        store.obtain(settings.backbone)
    elif settings.weights is not None and not Path(settings.weights).is_file():
        # A folder or the prefix of a checkpoint; loading raises if it is neither.
        cry_hub.load(settings.backbone, weights=settings.weights)


def _precision(recipe: Recipe) -> dict[str, Any]:
    """Returns the dtype policy of the backbone, if it is not float32."""
    precision = recipe.precision
    return {} if precision == "float32" else {"dtype": f"mixed_{precision}"}


def _front_end(settings: Settings) -> dict[str, Any]:
    """Returns the front end arguments that a recipe sets."""
    recipe = settings.recipe
    asked = {"pre_emphasis": recipe.pre_emphasis, "z_score": recipe.z_score}
    return {name: value for name, value in asked.items() if value}


def _hiding(backbone: Any, settings: Settings) -> Any:
    """Hides parts of the spectrogram in training, if the recipe asks for it."""
    if not settings.recipe.spec_augment:
        return backbone
    return with_spec_augment(backbone, SpecAugment(seed=settings.seed))
