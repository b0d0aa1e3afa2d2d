"""Arrays of an `.npz`."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from cry_hub.errors import WeightsError
from cry_hub.formats import signature


def parse(content: bytes, path: Path) -> dict[str, np.ndarray]:
    """Returns the arrays of a `.npz` by name. Nothing is ever unpickled.

    Raises:
        WeightsError: If the content is truncated, damaged, holds Python objects,
            unpacks to far more than weights, or is something else.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            sizes = [member.file_size for member in archive.zip.infolist()]
            signature.check_unpacked(path, content, sum(sizes))
            return {name: archive[name] for name in archive.files}
    except WeightsError:
        raise
    # Damaged bytes make NumPy and zipfile fail in a dozen ways, RuntimeError and
    # tokenize.TokenError among them.
    except Exception as error:
        if "allow_pickle" in str(error):
            raise signature.unreadable(
                path,
                "it is a .npz with Python objects, which could run any program: "
                "nothing but plain arrays is read",
            ) from error
        raise signature.damaged(path, content, "a .npz") from error
