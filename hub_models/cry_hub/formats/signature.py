"""What a file is, by its bytes: names and suffixes say nothing."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

from cry_hub.errors import WeightsError

TAKEN = (
    "a .npz of plain arrays, a PyTorch .pth or .pt, a Keras .h5, a TensorFlow "
    "checkpoint or a SavedModel folder"
)
# A LevelDB-like table ends with this number, little endian: TensorFlow's V1
# checkpoints and the index of V2 ones (tensorflow/core/lib/io/format.h).
_TABLE_END = (0xDB4775248B80FB57).to_bytes(8, "little")
# PyTorch before 1.6 began every file with a number, as a pickled long
# (torch/serialization.py); the pickles of protocol 4 and later are in frames.
_TORCH_STREAM = re.compile(
    rb"\x80[\x02-\x05](?:\x95.{8})?\x8a\x0a"
    + re.escape((0x1950A86A20F9469CFC6C).to_bytes(10, "little")),
    re.DOTALL,
)
_KERAS_WEIGHTS = "model.weights.h5"
# Pruned weights are compressed to a tenth; only a bomb to a thousandth.
_MOST_TIMES = 100
_SMALL_BYTES = 1 << 24
_PICKLE = re.compile(rb"\x80[\x02-\x05]")

# What people give by mistake, and what to do then.
_FOREIGN: tuple[tuple[Callable[[bytes], object], str], ...] = (
    (
        re.compile(rb"\s*(<!doctype|<html|<\?xml)", re.IGNORECASE).match,
        "a web page, not weights: fetch the file again",
    ),
    (
        re.compile(rb"version https://git-lfs").match,
        "a Git LFS pointer, not the file it points to: run `git lfs pull`",
    ),
    (
        lambda content: content[4:8] == b"TFL3",
        "a .tflite, whose weights are converted: give what it was made from",
    ),
    (
        re.compile(rb"RIFF....WAVE|fLaC|OggS|ID3", re.DOTALL).match,
        "a recording, not weights",
    ),
    (re.compile(rb"\x1f\x8b").match, "a gzip archive: unpack it"),
    (
        lambda content: content[257:262] == b"ustar",
        "a tar archive: unpack it (if it is a file of PyTorch before 0.2, load and "
        "save it with a later one)",
    ),
    (re.compile(rb"\x93NUMPY").match, "a single array, not an archive of named arrays"),
    (
        _PICKLE.match,
        "a Python pickle, which could run any program: nothing but tensors is read",
    ),
)


def kind_of(content: bytes) -> str | None:
    """Returns the format of a file, or None if it is none that is read.

    Args:
        content: The whole file.

    Returns:
        `"npz"`, `"torch"`, `"hdf5"`, `"checkpoint_v1"`, `"checkpoint_index"` (of
        V2) or None.
    """
    if content.startswith(b"PK"):
        return _kind_of_zip(content)
    if _TORCH_STREAM.match(content):
        return "torch"
    if content.startswith(b"\x89HDF\r\n\x1a\n"):
        return "hdf5"
    if content.endswith(_TABLE_END):
        is_index = shards_of(content) is not None
        return "checkpoint_index" if is_index else "checkpoint_v1"
    return None


def shards_of(content: bytes) -> int | None:
    """Returns how many data files the index of a V2 checkpoint has.

    Args:
        content: A table file.

    Returns:
        The number, or None if the table is not such an index.
    """
    # The first entry has the empty key, so no shared and no own bytes of a key,
    # and as its value the header: the message that begins with the field 1,
    # num_shards (tensor_bundle.proto). In V1 the field 1 is a message.
    entry = re.match(rb"\0\0[\x80-\xff]*[\0-\x7f]\x08([\x80-\xff]*[\0-\x7f])", content)
    if entry is None:
        return None
    return sum((byte & 127) << 7 * place for place, byte in enumerate(entry[1]))


def refusal(path: Path, content: bytes) -> WeightsError:
    """Returns the error for a file of no format that is read."""
    return unreadable(path, f"it is {_description(content)}")


def damaged(path: Path, content: bytes, kind: str) -> WeightsError:
    """Returns the error for a file that begins as `kind` and cannot be read."""
    return unreadable(
        path,
        f"it is {kind}, truncated or damaged ({len(content)} bytes): fetch it again",
    )


def unreadable(path: Path, reason: str) -> WeightsError:
    """Returns the error for weights that are not used, with the reason."""
    return WeightsError(
        f"{path} is not used: {reason}. Weights are taken from {TAKEN}."
    )


def check_unpacked(path: Path, content: bytes, unpacked_bytes: int) -> None:
    """Refuses a small file that says it holds enormous arrays.

    Args:
        path: What was given, for the error.
        content: The whole file.
        unpacked_bytes: Size of the arrays in it.

    Raises:
        WeightsError: If they are larger than weights that were compressed can be.
    """
    if unpacked_bytes > _SMALL_BYTES + _MOST_TIMES * len(content):
        raise unreadable(
            path,
            f"its {len(content)} bytes unpack to {unpacked_bytes}, which is no weights",
        )


def _kind_of_zip(content: bytes) -> str | None:
    names = _names_in_zip(content)
    if any(name.rpartition("/")[2] == "data.pkl" for name in names):
        return "torch"
    return "npz" if names and all(name.endswith(".npy") for name in names) else None


def _names_in_zip(content: bytes) -> list[str]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return archive.namelist()
    # Damaged bytes make zipfile fail in more ways than BadZipFile.
    except Exception:
        return []


def _description(content: bytes) -> str:
    if not content:
        return "an empty file"
    for matches, what in _FOREIGN:
        if matches(content):
            return what
    size = f"{len(content)} bytes"
    if not content.startswith(b"PK"):
        return f"damaged, or another format ({size})"
    names = _names_in_zip(content)
    if not names:
        return f"a zip archive, truncated or damaged ({size}): fetch it again"
    if any(name.endswith(_KERAS_WEIGHTS) for name in names):
        return f"a .keras file: give the {_KERAS_WEIGHTS} inside it"
    return f"a zip archive of {len(names)} other files: unpack it"
