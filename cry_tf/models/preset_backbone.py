"""A backbone from the name of a preset."""

from __future__ import annotations

import inspect
import os
from typing import Any

import keras

import cry_hub
from cry_hub.backbone import Backbone

# Of a `keras.Model`, which a model class takes without naming them.
_OF_THE_MODEL = ("name", "trainable")


def load_backbone(
    preset: str,
    weights: str | os.PathLike[str] | None,
    cutoff_hz: float | None,
    trainable: bool,
    **arguments: Any,
) -> Backbone:
    """Returns the backbone of a preset, frozen unless it is to be trained.

    Raises:
        ValueError: If the preset is unknown, the cutoff impossible, or the backbone
            has no such argument.
        cry_hub.WeightsError: If the weights are missing or do not fit.
    """
    backbone = cry_hub.load(preset, weights=weights, cutoff_hz=cutoff_hz, **arguments)
    if not trainable:
        backbone.trainable = False
    return backbone


def split_arguments(
    model_class: type[keras.Model], arguments: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Splits arguments into those a model class names and those of the backbone."""
    named = (*inspect.signature(model_class.__init__).parameters, *_OF_THE_MODEL)
    own = {name: value for name, value in arguments.items() if name in named}
    rest = {name: value for name, value in arguments.items() if name not in named}
    return own, rest
