"""The file that ships, and the proof beside it: both or neither."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cry_export.parity import ParityReport
from cry_export.quantization_recipe import QuantizationRecipe
from cry_lite import atomic


@dataclass(frozen=True)
class Artefact:
    """A written `.tflite` and the figures that allowed it.

    Attributes:
        path: The file.
        parity_path: The JSON report beside it.
        file_bytes: Size of the file.
        sha256: Digest of the file, as in the report.
        parity: The comparison with the Keras model.
        asked: Name of the recipe that was asked for.
        got: Name of the recipe of the file.
        left_float: Layers that the fallback stored as float16 instead of int8.
        fallback: What it did and why, one sentence; None if the file is as asked.
    """

    path: Path
    parity_path: Path
    file_bytes: int
    sha256: str
    parity: ParityReport
    asked: str
    got: str
    left_float: tuple[str, ...]
    fallback: str | None


def parity_path(path: Path) -> Path:
    """Returns `FILE.parity.json` for `FILE.tflite`."""
    return path.with_suffix(".parity.json")


def check_target(path: Path, overwrite: bool) -> None:
    """Refuses a target before the work starts.

    Raises:
        ValueError: If the name does not end in `.tflite`.
        OSError: If the file exists and `overwrite` is False, if it is a folder, or
            if its folder does not exist or cannot be written to.
    """
    if path.suffix != ".tflite":
        raise ValueError(f"The file's name must end in .tflite. Received: {path}.")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: name a file.")
    if path.exists() and not overwrite:
        raise FileExistsError(
            f"{path} exists: choose another name, or allow it with overwrite=True "
            "(--overwrite)."
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(f"The folder {path.parent} must exist: create it.")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise PermissionError(f"The folder {path.parent} must be writable.")


def write(
    path: Path,
    tflite: bytes,
    parity: ParityReport,
    recipe: QuantizationRecipe,
    details: dict[str, Any],
    asked: str | None = None,
    left_float: Sequence[str] = (),
    fallback: str | None = None,
) -> Artefact:
    """Writes the file and its report, both complete or neither.

    Args:
        path: The target, checked by `check_target`.
        tflite: The file's bytes.
        parity: The comparison with the Keras model.
        recipe: How the weights are stored.
        details: What else the report says, in JSON types.
        asked: Name of the recipe that was asked for; None if it is the same.
        left_float: See `Artefact`.
        fallback: See `Artefact`.

    Raises:
        OSError: If the disk is full or the folder cannot be written to; nothing
            is left then, and earlier files stay as they were.
    """
    sha256 = hashlib.sha256(tflite).hexdigest()
    asked = asked or recipe.name
    report = _report(path, parity, recipe, details) | {
        "recipe": {
            "asked": asked,
            "got": recipe.name,
            "left_float": list(left_float),
            "fallback": fallback,
        },
        "sha256": sha256,
        "bytes": len(tflite),
    }
    target = parity_path(path)
    with ExitStack() as parts:
        tflite_part = parts.enter_context(atomic.part_of(path))
        report_part = parts.enter_context(atomic.part_of(target))
        tflite_part.write_bytes(tflite)
        report_part.write_bytes(_json(report))
        # The report first: a .tflite never stands there without its proof.
        atomic.put(report_part, target)
        try:
            atomic.put(tflite_part, path)
        except OSError:
            target.unlink()  # it proves a file that is not there
            raise
    return Artefact(
        path=path,
        parity_path=target,
        file_bytes=len(tflite),
        sha256=sha256,
        parity=parity,
        asked=asked,
        got=recipe.name,
        left_float=tuple(left_float),
        fallback=fallback,
    )


def write_refusal(
    path: Path,
    parity: ParityReport,
    recipe: QuantizationRecipe,
    details: dict[str, Any],
) -> Path | None:
    """Writes the report of a refused file.

    An earlier `FILE.tflite` and its report prove each other, so they stay as they
    are and nothing is written beside them.

    Returns:
        Path of the report, or None if it was not written.

    Raises:
        OSError: If it cannot be written; nothing is left then.
    """
    if path.exists():
        return None
    target = parity_path(path)
    report = _report(path, parity, recipe, details) | {"sha256": None, "bytes": None}
    atomic.write_bytes(target, _json(report))
    return target


def _report(
    path: Path,
    parity: ParityReport,
    recipe: QuantizationRecipe,
    details: dict[str, Any],
) -> dict[str, Any]:
    return {
        "format_version": 1,
        "file": path.name,
        "refused": parity.is_refused,
        "parity": parity.to_dict(),
        "budget": recipe.budget.to_dict(),
        **details,
    }


def _json(report: dict[str, Any]) -> bytes:
    return (json.dumps(report, indent=2, allow_nan=False) + "\n").encode()
