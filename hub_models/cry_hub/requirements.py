"""Checks that Keras and TensorFlow are installed, with a clear error."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any

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


def lazy_names(
    package: str, file: str, without_keras: Container[str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Returns a package's `__getattr__`, `__dir__` and `__all__`.

    A name loads when it is first used (`lazy_loader`), after `check_keras`.

    Args:
        package: `__name__` of the package.
        file: Its `__file__`; the names are those that `__init__.pyi` imports.
        without_keras: Names that can be used without Keras.
    """
    try:
        import lazy_loader
    except ModuleNotFoundError:  # only cry_lite's requirements are installed

        def refuse(name: str) -> Any:
            if not name.startswith("__"):
                check_keras()
            raise AttributeError(f"module {package!r} has no attribute {name!r}")

        return refuse, list, []
    load, names, public = lazy_loader.attach_stub(package, file)

    def load_checked(name: str) -> Any:
        if name in public and name not in without_keras:
            check_keras()
        return load(name)

    return load_checked, names, public


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
