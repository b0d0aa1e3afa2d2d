"""The model of a run: checked, built, and saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras

import cry_hub
from cry_export.precision import in_float32
from cry_hub import registry
from cry_hub.weights import store
from cry_tf.heads import model_head, storing
from cry_tf.heads.gaussian_mixture import GaussianMixtureHead
from cry_tf.heads.support_vectors import SVMHead
from cry_tf.layers import SpecAugment
from cry_tf.models import CryClassifier, CryDetector, with_spec_augment
from cry_tf.models.preset_backbone import load_backbone
from cry_tf.runs.run_folder import FEATURES_FILE, MODEL_FILE
from cry_tf.training.preparation import Prepared
from cry_tf.training.recipe import Recipe
from cry_tf.training.settings import Settings
from cry_tf.training.trainer import Trainer


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
        # A folder or the prefix of a checkpoint; loading has the words if not.
        cry_hub.load(settings.backbone, weights=settings.weights)


def build(prepared: Prepared, settings: Settings) -> Any:
    """Returns the untrained `CryModel` of a run."""
    backbone = load_backbone(
        settings.backbone,
        settings.weights,
        prepared.bandwidth.cutoff_hz,
        trainable=settings.recipe.trains == "all",
        **_front_end(settings),
        **as_precise(settings.recipe),
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


def uncompiled(model: Any) -> Any:
    """Returns a copy to save: float32, and no optimizer, which trebles the file."""
    copy = type(model).from_config(model.get_config())
    copy.set_weights(model.get_weights())
    return in_float32(copy)


def save(folder: Path, model: Any, trainer: Trainer) -> None:
    """Writes the model, or what stands before a head that no network can hold."""
    head = getattr(trainer, "head", None)
    if not isinstance(head, SVMHead | GaussianMixtureHead):
        model.save(folder / MODEL_FILE)
        return
    features = keras.Model(model.input, model.pooling.output, name="features")
    features.save(folder / FEATURES_FILE)
    storing.save(folder, head)


def as_precise(recipe: Recipe) -> dict[str, Any]:
    """Returns the arguments of a backbone that the recipe sets."""
    precision = recipe.precision
    return {} if precision == "float32" else {"dtype": f"mixed_{precision}"}


def _front_end(settings: Settings) -> dict[str, Any]:
    """Returns what a recipe asks of the front end, beyond the usual."""
    recipe = settings.recipe
    asked = {"pre_emphasis": recipe.pre_emphasis, "z_score": recipe.z_score}
    return {name: value for name, value in asked.items() if value}


def _hiding(backbone: Any, settings: Settings) -> Any:
    """Hides parts of the spectrogram in training, if the recipe asks for it."""
    if not settings.recipe.spec_augment:
        return backbone
    return with_spec_augment(backbone, SpecAugment(seed=settings.seed))
