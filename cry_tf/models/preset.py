"""A backbone from the name of a preset."""

from __future__ import annotations

import os

import cry_hub
from cry_hub.backbone import Backbone


def load_backbone(
    preset: str,
    weights: str | os.PathLike[str] | None,
    cutoff_hz: float | None,
    trainable: bool,
) -> Backbone:
    """Returns the backbone of a preset, frozen if it shall not be trained.

    Raises:
        ValueError: If the preset is unknown or the cutoff is impossible.
        cry_hub.WeightsError: If the weights are missing or do not fit.
    """
    backbone = cry_hub.load(preset, weights=weights, cutoff_hz=cutoff_hz)
    if not trainable:
        backbone.trainable = False
    return backbone
