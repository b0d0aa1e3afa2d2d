"""The detectors that are included, each a `.tflite` with a card beside it.

The card, `NAME.json`, is what `cry-lite models --json` prints besides the path:

    {"name": NAME,
     "summary": "a line",
     "bytes": size of the file, "sha256": its digest,
     "licence": "of the file",
     "sources": [{"name": ..., "licence": ..., "url": ..., "used_for": ...,
                  "recordings": n, "hours": h}],
     "figures": [{"name": ..., "value": ..., "low": ..., "high": ..., "n": ...,
                  "hours": ..., "on": "which recordings, never trained on"}],
     "limits": ["a sentence"]}
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cry_lite.errors import ModelFileError

NAMES = ("cry_detector", "cry_detector_tiny")
"""The detectors, the one that is used without being named first."""

DEFAULT = NAMES[0]

FOLDER = Path(__file__).parent
"""Where they are."""

_REINSTALL = "Install cry-tf again, or name a file with --model FILE.tflite."
_TEXTS = ("name", "summary", "sha256", "licence")
_LISTS = ("sources", "figures", "limits")


@dataclass(frozen=True, kw_only=True)
class BundledModel:
    """A detector that is included.

    Attributes:
        name: One of `NAMES`.
        path: The `.tflite`.
        card: What its card holds, see the module.
    """

    name: str
    path: Path
    card: dict[str, Any]

    @property
    def is_default(self) -> bool:
        """Whether it is used where none is named."""
        return self.name == DEFAULT

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON types: name, path, bytes, digest, and the rest of the card."""
        return {
            "name": self.name,
            "path": str(self.path),
            "is_default": self.is_default,
            **self.card,
        }


def bundled() -> tuple[BundledModel, ...]:
    """Returns the detectors, each compared with its card.

    Raises:
        ModelFileError: If one is missing, damaged or without a card.
    """
    return tuple(map(read, NAMES))


def read(name: str) -> BundledModel:
    """Returns a detector, its file compared with its card.

    Raises:
        ModelFileError: If it is missing, damaged or without a card.
    """
    path = FOLDER / f"{name}.tflite"
    try:
        card = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise ModelFileError(f"The detector {name} is missing. {_REINSTALL}") from error
    is_card = (
        isinstance(card, dict)
        and all(isinstance(card.get(key), str) for key in _TEXTS)
        and all(isinstance(card.get(key), list) for key in _LISTS)
    )
    if not is_card or (card["name"], card.get("bytes"), card["sha256"]) != (
        name,
        len(content),
        hashlib.sha256(content).hexdigest(),
    ):
        raise ModelFileError(
            f"The detector {name} is damaged: {path} is not the file of its card. "
            f"{_REINSTALL}"
        )
    return BundledModel(name=name, path=path, card=card)


def resolve(model: str | os.PathLike[str] | None) -> str:
    """Returns the path of a model that may be named, or not at all.

    Args:
        model: One of `NAMES`, the path of a file, or None for the default. To open a
            file that has the name of a detector, write `./` before it.

    Raises:
        ModelFileError: If the detector of that name is missing.
    """
    name = DEFAULT if model is None else os.fspath(model)
    if name not in NAMES:
        return name
    path = FOLDER / f"{name}.tflite"
    if not path.is_file():
        raise ModelFileError(f"The detector {name} is missing. {_REINSTALL}")
    return str(path)
