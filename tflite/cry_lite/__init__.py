"""Detects a baby's crying on a small device: specs, decisions, the LiteRT runtime.

This floor needs numpy, LiteRT, soundfile and soxr. It never imports TensorFlow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cry_lite.detector import Analyzer
    from cry_lite.sound_file import read
    from cry_lite.spec import DecisionSpec, FrontEndSpec, ModelSpec

__version__ = "0.2.0.dev0"

__all__ = ["Analyzer", "DecisionSpec", "FrontEndSpec", "ModelSpec", "read"]

_HOMES = {
    "Analyzer": "detector",
    "DecisionSpec": "spec",
    "FrontEndSpec": "spec",
    "ModelSpec": "spec",
    "read": "sound_file",
}


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used, so that a command starts fast."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Lists the public names, loaded or not."""
    return [*__all__, "__version__"]
