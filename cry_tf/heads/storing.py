"""Stores a head that is not a network: arrays and their names, no pickle."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np

from cry_tf.heads import ARRAY_HEADS, HEADS
from cry_tf.heads.gaussian_mixture import GaussianMixtureHead
from cry_tf.heads.support_vectors import SVMHead

# Arrays, and NumPy to score with them, in place of scikit-learn's objects in a file of
# skops. With 457 clips of 1024 features and 5 labels the decisions are the same to
# 3e-14; the file of an SVM takes 3.7 MB and there 15 (each machine has its vectors), of
# mixtures 0.29 and 0.43; all clips are scored in 13 ms and 363, by mixtures in 2 and
# 16; a fresh process reads it in 0.1 s and 1.6. No version of scikit-learn is tied to
# a run. What scikit-learn fits stays with it: SVC, PCA, mixtures, logistic regression.
ARRAYS_FILE = "head.npz"
RECORD_FILE = "head.json"
FORMAT = "cry-tf head 1"

_HEADS: dict[str, Any] = {"svm": SVMHead, "gmm": GaussianMixtureHead}


def save(folder: Path, head: SVMHead | GaussianMixtureHead) -> None:
    """Writes `head.npz` and `head.json` into a folder.

    Raises:
        OSError: If the folder cannot be written.
    """
    name = next(name for name, kind in _HEADS.items() if isinstance(head, kind))
    arrays = _arrays(head)
    np.savez(folder / ARRAYS_FILE, **arrays)  # type: ignore[arg-type]
    record = {
        "format": FORMAT,
        "head": name,
        "what": HEADS[name],
        "scale": head.scale,
        "arrays": {key: list(value.shape) for key, value in arrays.items()},
    }
    text = json.dumps(record, indent=2)
    (folder / RECORD_FILE).write_text(text + "\n", encoding="utf-8")


def load(folder: Path) -> SVMHead | GaussianMixtureHead:
    """Reads what `save` wrote.

    Raises:
        OSError: If a file is missing.
        ValueError: If they are not what `save` writes.
    """
    try:
        record = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
        if record["format"] != FORMAT or record["head"] not in ARRAY_HEADS:
            raise ValueError(f"format {record['format']!r}, head {record['head']!r}")
        # np.load leaves a damaged file open that it opened itself.
        with (
            open(folder / ARRAYS_FILE, "rb") as file,
            np.load(file, allow_pickle=False) as archive,
        ):
            arrays = {name: archive[name] for name in record["arrays"]}
        return _head(_HEADS[record["head"]], arrays)
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{folder / RECORD_FILE} and {ARRAYS_FILE} must be what cry-tf train "
            f"wrote. They cannot be read: {error}. Train again."
        ) from error


def _arrays(head: Any) -> dict[str, np.ndarray]:
    """Returns the fields of a head, those of its parts among them."""
    found = {}
    for field in dataclasses.fields(head):
        value = getattr(head, field.name)
        is_part = dataclasses.is_dataclass(value)
        found |= _arrays(value) if is_part else {field.name: np.asarray(value)}
    return found


def _head(kind: Any, arrays: dict[str, np.ndarray]) -> Any:
    """Returns the head whose fields these are."""
    kinds, values = get_type_hints(kind), {}
    for field in dataclasses.fields(kind):
        of_field = kinds[field.name]
        if dataclasses.is_dataclass(of_field):
            values[field.name] = _head(of_field, arrays)
        else:
            value = arrays[field.name]
            values[field.name] = float(value) if of_field is float else value
    return kind(**values)
