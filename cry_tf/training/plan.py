"""What is trained, how, and on which folds: the second step of every run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from cry_hub.weights.shipped import trained_on
from cry_tf.evaluation.judgement import pretrained_overlap
from cry_tf.training import build_model
from cry_tf.training.choose_trainer import make_trainer
from cry_tf.training.context import RunContext
from cry_tf.training.domain_folds import DomainFold, domain_folds
from cry_tf.training.preparation import Prepared, check_folds
from cry_tf.training.settings import Settings


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
        warnings: What makes the figures too good, a sentence each.
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
        """What should be known of how the model is trained."""
        return getattr(self.trainer, "notes", ())

    def replace(self, **changes: Any) -> Plan:
        """Returns a copy with some fields changed."""
        return dataclasses.replace(self, **changes)


def build(prepared: Prepared, settings: Settings, context: RunContext) -> Plan:
    """Builds the model, chooses its trainer and draws the folds.

    Args:
        prepared: From `prepare`.
        settings: Settings of the run; every one is used.
        context: Progress, cache and checkpoint of the run.

    Raises:
        ValueError: If weights do not fit, too few clips are left, or a fold cannot
            be trained.
        OSError: If weights or noises cannot be read.
    """
    model, warnings = build_network(prepared, settings, context)
    trainer, prepared = make_trainer(model, prepared, settings, context)
    folds = prepared.dataset.fold_indices(settings.folds, settings.seed)
    check_folds(prepared.dataset, folds, settings, context)
    left_out = domain_folds(prepared.dataset, settings, context)
    return Plan(settings, prepared, model, trainer, folds, warnings, left_out)


def build_network(
    prepared: Prepared, settings: Settings, context: RunContext
) -> tuple[Any, tuple[str, ...]]:
    """Builds the model from its seed, and reports the source of its weights.

    Returns:
        The untrained `CryModel`, and what makes the figures too good.
    """
    keras.utils.set_random_seed(settings.seed)
    context.devices.check_alike("clips", prepared.dataset.sha256, settings.seed)
    with context.devices.scope():
        model = build_model.build(prepared, settings)
    backbone = model.backbone
    context.progress.line(f"backbone: {settings.backbone}, {backbone.weights_source}")
    if settings.strategy not in ("none", "auto") or context.devices.replicas > 1:
        sentence = context.devices.sentence
        context.progress.line(f"strategy: {settings.strategy}, {sentence}")
    overlap = pretrained_overlap(trained_on(backbone.weights_sha256), prepared.dataset)
    if overlap:
        context.progress.warn(overlap)
    return model, (overlap,) if overlap else ()
