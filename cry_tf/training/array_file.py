"""Arrays in a file that is written whole or not at all."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

_FACTS = "_facts"


def save(
    path: Path, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any] | None = None
) -> None:
    """Writes arrays, in place of those before.

    Args:
        path: Of the file, `.npz`; not compressed, with a checksum an array.
        arrays: By name.
        facts: JSON types.

    Raises:
        OSError: If the file cannot be written.
    """
    text = np.frombuffer(json.dumps(dict(facts or {})).encode(), np.uint8)
    part = path.with_name(f"{path.name}.part")
    with open(part, "wb") as file:
        np.savez(file, **{_FACTS: text}, **arrays)  # type: ignore[arg-type]
    os.replace(part, path)


def load(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
    """Returns facts and arrays, or None if the file is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = dict(archive)
        return json.loads(arrays.pop(_FACTS).tobytes()), arrays
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
