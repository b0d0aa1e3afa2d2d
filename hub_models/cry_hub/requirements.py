"""Checks that Keras and TensorFlow are installed, with a clear error."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path

_PACKAGES = ("keras", "tensorflow", "lazy_loader")
_TRAIN = (
    "Training and exporting need Keras and TensorFlow (the device runtime cry-lite "
    "does not). Not installed: {missing}. "
    'Install them: pip install "cry-tf[train]"'
)


def check_keras() -> None:
    """Checks that Keras is installed and runs on TensorFlow.

    Raises:
        ModuleNotFoundError: If Keras or TensorFlow is not installed.
        ImportError: If Keras is set to another backend.
    """
    missing = [name for name in _PACKAGES if not _is_installed(name)]
    if missing:
        raise ModuleNotFoundError(
            _TRAIN.format(missing=", ".join(missing)), name=missing[0]
        )
    backend, where = _backend()
    if backend != "tensorflow":
        raise ImportError(
            f"cry-tf runs on Keras's TensorFlow backend. Received: {where}. Set "
            "KERAS_BACKEND=tensorflow before Python starts."
        )


def _is_installed(name: str) -> bool:
    if name in sys.modules:
        return sys.modules[name] is not None
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _backend() -> tuple[str, str]:
    """Returns Keras's backend and what set it, without loading Keras."""
    if "keras" in sys.modules and hasattr(sys.modules["keras"], "config"):
        backend = sys.modules["keras"].config.backend()
        return backend, f"Keras loaded with {backend}"
    backend = os.environ.get("KERAS_BACKEND")
    if backend:
        return backend, f"KERAS_BACKEND={backend}"
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    file = Path(home) / "keras.json"
    try:
        backend = json.loads(file.read_text("utf-8"))["backend"]
    except (OSError, ValueError, KeyError, TypeError):
        return "tensorflow", "nothing"
    return backend, f"the backend {backend} in {file}"
