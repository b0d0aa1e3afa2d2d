"""Datasets of an HDF5 file: weights that Keras wrote."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from cry_hub.errors import WeightsError
from cry_hub.formats import signature


def parse(content: bytes, path: Path) -> dict[str, np.ndarray]:
    """Returns every dataset of an HDF5 file by its path in the file.

    `.h5` of Keras 2 (`model_weights/layer1/conv/kernel:0`, `:0` and all) and
    `.weights.h5` of Keras 3 (`layers/conv/vars/0`) are both such files.

    Raises:
        WeightsError: If the content is truncated or damaged, takes data from other
            files, unpacks to far more than weights, or holds anything but numbers.
    """
    datasets: dict[str, Any] = {}

    def visit(name: str, each: Any) -> None:
        if isinstance(each, h5py.Dataset):
            if each.external or each.is_virtual:
                raise signature.unreadable(
                    path, f"its {name} lies in another file, which is not read"
                )
            # An object may take any memory: many may point to the same text.
            if each.dtype.hasobject:
                raise signature.unreadable(path, f"its {name} holds no numbers")
            datasets[name] = each

    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            file.visititems(visit)
            # Values that were never written take no room in the file.
            sizes = [each.size * each.dtype.itemsize for each in datasets.values()]
            signature.check_unpacked(path, content, sum(sizes))
            return {name: np.asarray(each[()]) for name, each in datasets.items()}
    except WeightsError:
        raise
    # Damaged bytes make h5py fail in a dozen ways, OverflowError and
    # UnicodeDecodeError among them.
    except Exception as error:
        raise signature.damaged(path, content, "an HDF5 file") from error
