"""Writes TFLite files and checks that they give the same scores as the Keras model.

TensorFlow is imported when an export starts, not with this package.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cry_export.artefact import Artefact
    from cry_export.checked_export import export
    from cry_export.errors import ConversionError, FallbackWarning
    from cry_export.parity import ParityError, ParityReport
    from cry_export.quantization_recipe import RECIPES, QuantizationRecipe

__all__ = [
    "RECIPES",
    "Artefact",
    "ConversionError",
    "FallbackWarning",
    "ParityError",
    "ParityReport",
    "QuantizationRecipe",
    "export",
]

_HOME = {
    "RECIPES": "quantization_recipe",
    "Artefact": "artefact",
    "ConversionError": "errors",
    "FallbackWarning": "errors",
    "ParityError": "parity",
    "ParityReport": "parity",
    "QuantizationRecipe": "quantization_recipe",
    "export": "checked_export",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
