"""A backbone from the name of a preset."""

from __future__ import annotations

import os
from typing import Any

import cry_hub
from cry_hub.backbone import Backbone


def load_backbone(
    preset: str,
    weights: str | os.PathLike[str] | None,
    cutoff_hz: float | None,
    trainable: bool,
    **arguments: Any,
) -> Backbone:
    """Returns the backbone of a preset, frozen if it shall not be trained.

    Args:
        preset: Its name.
        weights: See `cry_hub.load`.
        cutoff_hz: See `cry_hub.load`.
        trainable: False freezes it, batch norm included.
        **arguments: More arguments of the backbone, such as `pre_emphasis`.

    Raises:
        ValueError: If the preset is unknown, the cutoff is impossible, or the
            backbone does not take an argument.
        cry_hub.WeightsError: If the weights are missing or do not fit.
    """
    load: Any = cry_hub.load
    try:
        backbone = load(preset, weights=weights, cutoff_hz=cutoff_hz, **arguments)
    except TypeError as error:
        if not arguments:
            raise
        named = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        raise ValueError(
            "Arguments beyond weights and cutoff_hz must be ones that the backbone "
            f"takes. Received: {named} for {preset}. Leave them out, or take another "
            "backbone."
        ) from error
    if not trainable:
        backbone.trainable = False
    return backbone
