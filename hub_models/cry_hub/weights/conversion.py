"""A weights file as its authors name its tensors, to one in our own names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cry_hub import porting, registry
from cry_hub.backbone import backbone_of


def filled(
    preset: str, tensors: Mapping[str, np.ndarray], source: str
) -> tuple[Any, str | None]:
    """Builds a preset and fills it with everything that a file holds.

    Args:
        preset: Name of the preset.
        tensors: Arrays by their names in the file.
        source: Where they come from, for errors.

    Returns:
        The model and the name of its head: with a head if the preset has one and
        the file has weights for it, else the backbone and None.

    Raises:
        WeightsError: If a tensor is missing, unused, mis-shaped or not finite.
    """
    head = next(iter(registry.get(preset).heads), None)
    model = registry.get(preset).build(head)
    if head is not None:
        backbone = backbone_of(model)
        layouts = porting.layouts_of(preset, backbone)
        if not any(
            layout.rename(name) in layout.other_heads
            for layout in layouts
            for name in tensors
        ):
            porting.port_tensors(layouts, tensors, source)
            return backbone, None
    porting.port_tensors(porting.layouts_of(preset, model), tensors, source)
    return model, head


def convert(
    preset: str, tensors: Mapping[str, np.ndarray], source: str, target: Path
) -> str | None:
    """Writes the tensors of a file as an `.npz` in our names.

    Args:
        preset: Name of the preset.
        tensors: Arrays by their names in the file.
        source: Where they come from, for errors.
        target: The `.npz` to write. It must not exist.

    Returns:
        Name of the head whose weights are in the file too, or None.

    Raises:
        WeightsError: If a tensor is missing, unused, mis-shaped or not finite.
        FileExistsError: If the target exists.
        OSError: If it cannot be written.
    """
    model, head = filled(preset, tensors, source)
    porting.save_npz(model, target)
    return head
