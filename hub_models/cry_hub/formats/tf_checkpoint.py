"""Tensors of TensorFlow checkpoints, of TensorFlow 1 (V1) and later (V2)."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from cry_hub.formats import signature


def parse_v1(content: bytes, path: Path) -> dict[str, np.ndarray]:
    """Returns the tensors of a V1 checkpoint, which is one file, by name.

    Raises:
        WeightsError: If the content is truncated or damaged.
    """
    return _read({"weights": content}, path)


def parse_v2(files: Mapping[str, bytes], path: Path) -> dict[str, np.ndarray]:
    """Returns the tensors of a V2 checkpoint by name.

    Args:
        files: An index, `*.index`, and its data files, `*.data-00000-of-00001`.
        path: What was given, for errors.

    Raises:
        WeightsError: If the content is truncated or damaged.
    """
    index = next(name for name in files if name.endswith(".index"))
    prefix = index.removesuffix(".index")
    return _read(
        {
            "weights" + name.removeprefix(prefix): content
            for name, content in files.items()
        },
        path,
    )


def _read(files: Mapping[str, bytes], path: Path) -> dict[str, np.ndarray]:
    # TensorFlow reads checkpoints by path only, and takes a path for a pattern:
    # a copy under a plain name holds the bytes whose digest was checked.
    with tempfile.TemporaryDirectory(prefix="cry-tf-") as folder:
        for name, content in files.items():
            Path(folder, name).write_bytes(content)
        try:
            return _tensors(Path(folder, "weights"))
        # Errors of TensorFlow, RuntimeError and ValueError (a dtype it does not
        # know) among them.
        except Exception as error:
            size = sum(map(len, files.values()))
            raise signature.unreadable(
                path,
                f"it is a TensorFlow checkpoint, truncated or damaged ({size} bytes): "
                "fetch it again",
            ) from error


def _tensors(prefix: Path) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(str(prefix))
    names = sorted(reader.get_variable_to_shape_map())
    return {name: _array(reader.get_tensor(name)) for name in names}


def _array(tensor: Any) -> np.ndarray:
    # A text as an array of NumPy's own kind would lose the zero bytes at its end.
    return np.array(tensor, object if isinstance(tensor, bytes) else None)
