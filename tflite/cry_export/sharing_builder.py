"""A flatbuffers builder that writes what is equal once."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np

# The schema's force_align of Buffer.data, the only vectors of bytes: a device may map
# a file and read constants where they lie. Python's flatbuffers leaves it out.
_CONSTANT_ALIGNMENT = 16
# Larger vectors are weights, of which no two are equal.
_MAX_SHARED_BYTES = 4_096


class SharingBuilder(flatbuffers.Builder):
    """Points to an equal string or vector of numbers instead of writing another.

    A TFLite file repeats itself: shapes, names of layers, zero points, small
    constants. Readers follow an offset and see no difference.
    """

    def __init__(self) -> None:
        super().__init__(1024)
        self._written: dict[Any, int] = {}

    def CreateString(
        self, s: Any, encoding: str = "utf-8", errors: str = "strict"
    ) -> int:
        key = s.encode(encoding, errors) if isinstance(s, str) else bytes(s)
        if key not in self._written:
            self._written[key] = super().CreateString(key)
        return self._written[key]

    def CreateNumpyVector(self, x: np.ndarray) -> int:
        key = (x.dtype.str, x.tobytes()) if x.nbytes <= _MAX_SHARED_BYTES else None
        if key is not None and key in self._written:
            return self._written[key]
        if x.dtype == np.uint8:
            self.Prep(_CONSTANT_ALIGNMENT, x.nbytes)
        place = super().CreateNumpyVector(x)
        if key is not None:
            self._written[key] = place
        return place
