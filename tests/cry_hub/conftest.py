"""What tests of several families read."""

from __future__ import annotations

import collections
import functools
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

_STORAGES = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
}


class _TensorUnpickler(pickle.Unpickler):
    """Rebuilds the tensors of PyTorch's zip format as arrays, and nothing else."""

    def __init__(self, file: Any, storage: Callable[[str], bytes]):
        super().__init__(file)
        self._storage = storage

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise pickle.UnpicklingError(f"{module}.{name} is no tensor")

    def persistent_load(self, pid: Any) -> np.ndarray:
        _, dtype, key, _, _ = pid
        return np.frombuffer(self._storage(key), dtype)


def _rebuild(storage, offset, shape, strides, *_) -> np.ndarray:
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    assert 0 <= offset <= last < storage.size
    assert all(step >= 0 for step in strides)
    return np.lib.stride_tricks.as_strided(
        storage[offset:], shape, [step * storage.itemsize for step in strides]
    ).copy()


@functools.cache
def _torch_tensors(path: Path) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        pickled = next(n for n in archive.namelist() if n.endswith("/data.pkl"))
        folder = pickled.removesuffix("data.pkl")
        with archive.open(pickled) as file:
            return dict(
                _TensorUnpickler(
                    file, lambda key: archive.read(f"{folder}data/{key}")
                ).load()
            )


@pytest.fixture(scope="session")
def torch_tensors() -> Callable[[Path], dict[str, np.ndarray]]:
    """Reads a state dict in PyTorch's zip format without PyTorch.

    For tests of real weights where PyTorch is not installed; users' files are
    read by `cry_hub.formats`, which checks more.
    """
    return _torch_tensors
