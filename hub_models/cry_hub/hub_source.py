"""A hub handle to the program behind it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from cry_hub.errors import WeightsError


def absolute(handle: str | os.PathLike[str]) -> str:
    """Returns a folder's full path, so that a saved model finds it from anywhere.

    Args:
        handle: Folder or URL; a URL is returned as it is.
    """
    handle = os.fspath(handle)
    return handle if _is_url(handle) else str(Path(handle).expanduser().absolute())


def load(handle: str) -> Any:
    """Returns the program of a SavedModel, a callable.

    Args:
        handle: Its folder, or a URL that tensorflow_hub knows.

    Raises:
        WeightsError: If it cannot be read as a SavedModel.
        OSError: If it cannot be reached.
        ModuleNotFoundError: If a URL is given and tensorflow_hub cannot be imported.
    """
    if not _is_url(handle) and not Path(handle).is_dir():
        raise FileNotFoundError(
            "handle must be the folder of a SavedModel or a URL that tensorflow_hub "
            f"knows. Received: {handle}, which is no folder."
        )
    # A folder needs no tensorflow_hub, and importing it brings all of Keras 2.
    load_program = _hub_load() if _is_url(handle) else tf.saved_model.load
    try:
        return load_program(handle)
    except Exception as error:  # a foreign server, archive or graph
        if _is_url(handle) and isinstance(error, OSError):
            raise OSError(
                f"handle must be reachable. Received: {handle} ({first_line(error)}). "
                "Check the network, or give the folder of a downloaded SavedModel."
            ) from error
        raise WeightsError(
            f"handle must lead to a SavedModel. Received: {handle}, which cannot be "
            f"read as one ({first_line(error)}). Download it again."
        ) from error


def first_line(error: Exception) -> str:
    """Returns what an error says, without the pages that may follow."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__


def _is_url(handle: str) -> bool:
    return "://" in handle


def _hub_load() -> Callable[[str], Any]:
    try:
        with warnings.catch_warnings():
            # 0.16.1, the last there is, needs a pkg_resources that warns of its end.
            warnings.filterwarnings("ignore", "pkg_resources", UserWarning)
            import tensorflow_hub  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ModuleNotFoundError(
            f'A URL needs tensorflow_hub: pip install "cry-tf[hub]". It said: {error}. '
            "The folder of a downloaded SavedModel needs nothing more."
        ) from error
    return tensorflow_hub.load
