"""State dicts of PyTorch, read without PyTorch."""

from __future__ import annotations

import functools
import io
import math
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cry_hub.errors import WeightsError
from cry_hub.formats import signature
from cry_hub.formats.torch_pickle import (
    DamageError,
    Inert,
    OtherTensor,
    ProgramError,
    Storage,
    Tensor,
    Unpickler,
)

_PICKLED = "data.pkl"
_TORCHSCRIPT = "constants.pkl"
_PROTOCOL = 1001  # of the format before PyTorch 1.6


def parse(content: bytes, path: Path) -> dict[str, np.ndarray]:
    """Returns the tensors of a state dict by name.

    PANNs' files hold `{"model": state dict}`, EfficientAT's the state dict itself.
    Both formats are read: the zip of PyTorch 1.6 and later, and the pickles and
    raw values of earlier ones. Nothing in the file is executed, and no more
    memory is taken than a small multiple of its size.

    Returns:
        Arrays that cannot be written to; bfloat16 and float16 as float32,
        everything else as it is.

    Raises:
        WeightsError: If the content is truncated or damaged, holds a program, or
            is not a mapping of names to tensors.
    """
    try:
        if content.startswith(b"PK"):
            checkpoint, values = _read_zip(content, path)
        else:
            checkpoint, values = _read_stream(content)
        return _arrays(checkpoint, values, path)
    except WeightsError:
        raise
    except ProgramError as error:
        raise signature.unreadable(
            path,
            f"it is a file of PyTorch that holds more than tensors ({error.name}), "
            "which could run any program and is not executed: save its state dict "
            "alone",
        ) from error
    # Damaged bytes make zipfile, struct and NumPy fail in a dozen ways.
    except Exception as error:
        raise signature.damaged(path, content, "a file of PyTorch") from error


# The values of a storage.
_Values = Callable[[Storage], np.ndarray]


def _arrays(checkpoint: Any, values: _Values, path: Path) -> dict[str, np.ndarray]:
    state = checkpoint
    if isinstance(state, Mapping) and isinstance(state.get("model"), Mapping):
        state = state["model"]
    if not isinstance(state, Mapping) or not state:
        raise signature.unreadable(
            path,
            f"it is a file of PyTorch with a {type(state).__name__} and no tensors",
        )
    for name, tensor in state.items():
        if not isinstance(name, str):
            raise signature.unreadable(
                path,
                f"it is a file of PyTorch where a key is of {type(name).__name__} and "
                "no name: save a state dict",
            )
        shown = ascii(name[:80])
        if not isinstance(tensor, Tensor | OtherTensor):
            kind = tensor.name if isinstance(tensor, Inert) else type(tensor).__name__
            raise signature.unreadable(
                path,
                f"it is a file of PyTorch where {shown} is of {kind} and no tensor: "
                'save a state dict, or {"model": state dict}',
            )
        if isinstance(tensor, OtherTensor):
            raise signature.unreadable(
                path,
                f"it is a file of PyTorch where {shown} is a {tensor.kind} tensor: "
                "save it as a dense one of floats",
            )
        if math.prod(tensor.shape) > tensor.storage.numel:
            raise signature.unreadable(
                path,
                f"it is a file of PyTorch where {shown} has more values than the file "
                "holds for it: save a copy of it (tensor.contiguous())",
            )
    return {name: _array(tensor, values) for name, tensor in state.items()}


def _array(tensor: Tensor, values: _Values) -> np.ndarray:
    array = values(tensor.storage)
    if 0 in tensor.shape:
        return np.zeros(tensor.shape, array.dtype)
    last = tensor.offset + sum(
        (length - 1) * stride
        for length, stride in zip(tensor.shape, tensor.strides, strict=True)
    )
    if last >= array.size:
        raise DamageError(f"a tensor beyond the end of storage {tensor.storage.key}")
    strides = [stride * array.itemsize for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(
        array[tensor.offset :], tensor.shape, strides, writeable=False
    )


def _decoded(
    content: memoryview, storage: Storage, order: Literal["<", ">"] = "<"
) -> np.ndarray:
    """Returns the values of a storage as NumPy holds them, once for all tensors."""
    if len(content) != storage.numel * storage.itemsize:
        raise DamageError(f"storage {storage.key} of another length")
    if storage.kind == "bool":
        return np.frombuffer(content, np.uint8) != 0
    kind = "<u2" if storage.kind == "bfloat16" else storage.kind
    values = np.frombuffer(content, np.dtype(kind).newbyteorder(order))
    if storage.kind == "bfloat16":
        # The upper half of a float32.
        return (values.astype(np.uint32) << 16).view(np.float32)
    if storage.kind == "<f2":
        return values.astype(np.float32)
    # A copy where the file has the other byte order, or the values lie between
    # the addresses that a processor reads at once.
    return np.require(values, values.dtype.newbyteorder("="), "A")


def _read_zip(content: bytes, path: Path) -> tuple[Any, _Values]:
    """Returns what the zip format holds, and what gives the values of a storage."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {member.filename: member for member in archive.infolist()}
        if len(members) < len(archive.infolist()):
            raise DamageError("two members of one name")
        pickled = [name for name in members if name.rpartition("/")[2] == _PICKLED]
        if len(pickled) != 1:
            raise DamageError(f"{len(pickled)} members {_PICKLED}")
        folder = pickled[0].removesuffix(_PICKLED)
        if folder + _TORCHSCRIPT in members:
            raise ProgramError("TorchScript")
        # PyTorch compresses no tensor. So no member unpacks to more than the file,
        # nor do many that share their bytes.
        sizes = [member.file_size for member in members.values()]
        if sum(sizes) > len(content) or any(
            member.compress_type != zipfile.ZIP_STORED for member in members.values()
        ):
            raise signature.unreadable(
                path,
                "it is a file of PyTorch whose parts are compressed or share their "
                "bytes, which PyTorch never writes: save it again",
            )
        # A byte that was changed on the way, which PyTorch itself does not see.
        if archive.testzip() is not None:
            raise DamageError("a sum that is not right")
    view = memoryview(content)

    def member_of(name: str) -> memoryview:
        start = members[folder + name].header_offset
        name_bytes, extra_bytes = struct.unpack_from("<26x2H", content, start)
        start += 30 + name_bytes + extra_bytes
        return view[start : start + members[folder + name].file_size]

    is_big = folder + "byteorder" in members and member_of("byteorder") == b"big"

    @functools.cache
    def values(storage: Storage) -> np.ndarray:
        member = member_of(f"data/{storage.key}")
        return _decoded(member, storage, ">" if is_big else "<")

    checkpoint = Unpickler(io.BytesIO(member_of(_PICKLED))).load()
    return checkpoint, values


def _read_stream(content: bytes) -> tuple[Any, _Values]:
    """Returns the same of the format before PyTorch 1.6.

    Five pickles (a number, the format's version, the writer's machine, the
    object, the keys of the storages), then each storage: how many values, and
    they, little endian on every machine.
    """
    file = io.BytesIO(content)
    unpickler = Unpickler(file)
    _, protocol, _ = (unpickler.load() for _ in range(3))
    if protocol != _PROTOCOL:
        raise DamageError("another version of the format")
    checkpoint = unpickler.load()
    keys = unpickler.load()
    view, position = memoryview(content), file.tell()
    members: dict[Storage, memoryview] = {}
    for key in keys:
        storage = unpickler.storages[key]
        (numel,) = struct.unpack_from("<q", content, position)
        start = position + 8
        position = start + storage.numel * storage.itemsize
        if numel != storage.numel or position > len(content):
            raise DamageError(f"storage {key} of another length")
        members[storage] = view[start:position]

    @functools.cache
    def values(storage: Storage) -> np.ndarray:
        return _decoded(members[storage], storage)

    return checkpoint, values
