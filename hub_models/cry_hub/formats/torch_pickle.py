"""The pickles in files of PyTorch, read without running anything in them.

A pickle is a program for a small stack machine. The one here knows containers,
numbers, texts and the few names below; none of them is ever imported or called.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

# Of storages (torch/storage.py), little endian as PyTorch writes them.
_STORAGES = {
    "torch.FloatStorage": "<f4",
    "torch.DoubleStorage": "<f8",
    "torch.HalfStorage": "<f2",
    "torch.BFloat16Storage": "bfloat16",
    "torch.LongStorage": "<i8",
    "torch.IntStorage": "<i4",
    "torch.ShortStorage": "<i2",
    "torch.CharStorage": "<i1",
    "torch.ByteStorage": "<u1",
    "torch.BoolStorage": "bool",
    "torch.ComplexFloatStorage": "<c8",
    "torch.ComplexDoubleStorage": "<c16",
    "torch.storage.UntypedStorage": "<u1",
}
_QUANTIZED_STORAGES = {
    "torch.QInt8Storage": "<i1",
    "torch.QUInt8Storage": "<u1",
    "torch.QInt32Storage": "<i4",
    "torch.QUInt4x2Storage": "<u1",
    "torch.QUInt2x4Storage": "<u1",
}
_OTHER_TENSORS = {
    "torch._utils._rebuild_sparse_tensor": "sparse",
    "torch._utils._rebuild_sparse_csr_tensor": "sparse",
    "torch._utils._rebuild_qtensor": "quantized",
    "torch._utils._rebuild_nested_tensor": "nested",
    "torch._utils._rebuild_meta_tensor_no_storage": "meta",
}
_DICTS = {"collections.OrderedDict", "collections.Counter"}
# Values and classes that describe tensors, or lie beside them in a checkpoint.
_INERT = {
    "torch.Size",
    "torch.Tensor",
    "torch.device",
    "torch.nn.parameter.Parameter",
    "torch.serialization._get_layout",
    "_codecs.encode",
    *(
        f"{module}.{name}"
        for module in ("builtins", "__builtin__")
        for name in ("bytearray", "complex", "set")
    ),
    *(
        f"torch.{name}"
        for name in (
            *("float64", "float32", "float16", "bfloat16", "bool", "uint8"),
            *("int64", "int32", "int16", "int8", "complex64", "complex128"),
            *("uint16", "uint32", "uint64"),
            *("qint8", "quint8", "qint32", "quint4x2", "quint2x4"),
            *("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz"),
            *("per_tensor_affine", "per_tensor_symmetric"),
            *("per_channel_affine", "per_channel_symmetric"),
            "per_channel_affine_float_qparams",
        )
    ),
}
_REBUILDING = {
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor_v3",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
    "torch._tensor._rebuild_from_type_v2",
}
_ALLOWED = {
    *_STORAGES,
    *_QUANTIZED_STORAGES,
    *_OTHER_TENSORS,
    *_DICTS,
    *_INERT,
    *_REBUILDING,
}
# PANNs' largest file takes 10,000 steps. A hostile one ends within seconds.
_MOST_STEPS = 1_000_000
_MOST_AXES = 32  # of NumPy 1
_KEY_BITS = 48
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, type] = {"EMPTY_TUPLE": tuple, "EMPTY_LIST": list, "EMPTY_DICT": dict}
_VALUES = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    *("BINSTRING", "SHORT_BINSTRING"),
}


class ProgramError(Exception):
    """A pickle that asks for more than tensors.

    Attributes:
        name: What it asks for, as `os.system`.
    """

    def __init__(self, name: str):
        super().__init__(name)
        is_plain = name.isascii() and name.isprintable() and len(name) <= 80
        self.name = name if is_plain else ascii(name[:80])


class DamageError(Exception):
    """A pickle that is none of PyTorch's, or ends too soon."""


@dataclass(frozen=True)
class Storage:
    """A run of values, which several tensors may share.

    Attributes:
        key: Its name in the file.
        kind: A dtype of NumPy, little endian, or `bfloat16`.
        numel: Number of values.
        is_quantized: Whether the values mean something only with a scale.
    """

    key: str
    kind: str
    numel: int
    is_quantized: bool = False

    @property
    def itemsize(self) -> int:
        """Bytes of a value."""
        return 2 if self.kind == "bfloat16" else np.dtype(self.kind).itemsize


@dataclass(frozen=True)
class Tensor:
    """Where the values of a tensor lie, counted in values, not bytes.

    Attributes:
        storage: What holds them.
        offset: The first one.
        shape: Of the tensor.
        strides: From one value to the next along each axis.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True)
class OtherTensor:
    """A tensor that is more than values with strides: sparse, quantized."""

    kind: str


@dataclass(frozen=True)
class Inert:
    """A value that nobody reads.

    Attributes:
        name: What made it.
    """

    name: str


@dataclass(frozen=True)
class _Global:
    name: str


class Unpickler:
    """Reads pickles that stand one after another in a file.

    Args:
        file: In memory, since it is read byte by byte.
    """

    def __init__(self, file: BinaryIO):
        self._file = file
        self._steps = 0
        self.storages: dict[str, Storage] = {}

    def load(self) -> Any:
        """Returns the value of the next pickle, and stands behind it afterwards.

        Returns:
            None, numbers, texts, bytes, tuples, lists and dicts of such values,
            `Tensor`, `OtherTensor` and `Inert`.

        Raises:
            ProgramError: If it names anything else.
            DamageError: If it cannot be a pickle of PyTorch.
        """
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        try:
            for operation, argument, _ in pickletools.genops(self._file):
                self._steps += 1
                if self._steps > _MOST_STEPS:
                    raise DamageError(f"more than {_MOST_STEPS} steps")
                self._do(operation.name, argument)
            return self._stack.pop()
        # A name that is not ASCII, a stack that is empty, a text that ends too
        # soon: what pickletools and the containers say of it.
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise DamageError(str(error)[:200]) from error

    def _do(self, operation: str, argument: Any) -> None:
        stack = self._stack
        match operation:
            case "PROTO" | "FRAME" | "STOP":
                pass
            case _ if operation in _VALUES:
                stack.append(argument)
            case _ if operation in _CONSTANTS:
                stack.append(_CONSTANTS[operation])
            case _ if operation in _EMPTY:
                stack.append(_EMPTY[operation]())
            case "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = stack[-1]
            case "MEMOIZE":
                self._memo[len(self._memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(self._memo[argument])
            case "MARK":
                self._marks.append(len(stack))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(self._take(int(operation[-1]))))
            case "TUPLE":
                stack.append(tuple(self._take_marked()))
            case "LIST":
                stack.append(self._take_marked())
            case "DICT":
                stack.append(_filled({}, self._take_marked()))
            case "FROZENSET":
                self._take_marked()
                stack.append(Inert("frozenset"))
            case "EMPTY_SET":
                stack.append(Inert("set"))
            case "ADDITEMS":
                self._take_marked()
            case "APPEND":
                self._take_list(1)
            case "APPENDS":
                self._take_list(None)
            case "SETITEM":
                items = self._take(2)
                _filled(stack[-1], items)
            case "SETITEMS":
                items = self._take_marked()
                _filled(stack[-1], items)
            case "GLOBAL":
                stack.append(_allowed(argument.replace(" ", ".", 1)))
            case "STACK_GLOBAL":
                module, name = self._take(2)
                stack.append(_allowed(f"{_text(module)}.{_text(name)}"))
            case "BINPERSID":
                stack.append(self._storage(stack.pop()))
            case "REDUCE" | "NEWOBJ":
                called, arguments = self._take(2)
                stack.append(_called(called, arguments))
            case "BUILD":
                # Attributes: the `_metadata` of a state dict, say.
                stack.pop()
                if not isinstance(stack[-1], dict | Tensor | OtherTensor):
                    raise DamageError(f"attributes of {type(stack[-1]).__name__}")
            case "INST":
                raise ProgramError(argument.replace(" ", ".", 1))
            case _:
                # Texts and numbers of protocol 0, objects by number, out of band.
                raise ProgramError(f"pickle's {operation}")

    def _take(self, count: int) -> list[Any]:
        items = self._stack[-count:]
        if len(items) < count:
            raise DamageError("an empty stack")
        del self._stack[-count:]
        return items

    def _take_marked(self) -> list[Any]:
        mark = self._marks.pop()
        items = self._stack[mark:]
        del self._stack[mark:]
        return items

    def _take_list(self, count: int | None) -> None:
        items = self._take_marked() if count is None else self._take(count)
        if not isinstance(self._stack[-1], list):
            raise DamageError(f"items of {type(self._stack[-1]).__name__}")
        self._stack[-1].extend(items)

    def _storage(self, identity: Any) -> Storage | Tensor:
        """Returns what a persistent id stands for.

        `("storage", class, key, device, number of values)`. Before PyTorch 1.6 a
        sixth is None or `(key, offset, number of values)` of a part of it.
        """
        if not isinstance(identity, tuple) or not identity or identity[0] != "storage":
            raise ProgramError("the source code of a module")
        _, kind, key, _, numel, *view = identity
        if not isinstance(kind, _Global) or not isinstance(key, str):
            raise DamageError("no storage")
        is_quantized = kind.name in _QUANTIZED_STORAGES
        dtype = (_QUANTIZED_STORAGES if is_quantized else _STORAGES).get(kind.name)
        if dtype is None:
            raise DamageError(f"a storage of {kind.name}")
        storage = Storage(key, dtype, _size(numel), is_quantized)
        if self.storages.setdefault(key, storage) != storage:
            raise DamageError(f"two storages {key}")
        if not view or view[0] is None:
            return storage
        _, offset, part = view[0]
        if _size(offset) + _size(part) > storage.numel:
            raise DamageError(f"a part beyond the end of storage {key}")
        return Tensor(storage, offset, (part,), (1,))


def _allowed(name: str) -> _Global:
    if name not in _ALLOWED:
        raise ProgramError(name)
    return _Global(name)


def _called(called: Any, arguments: Any) -> Any:
    """Returns what a call of PyTorch's would have made."""
    if not isinstance(called, _Global) or not isinstance(arguments, tuple):
        raise DamageError("a call of no name")
    name = called.name
    if name in _DICTS:
        # `Counter` gives its counts, `OrderedDict` of Python 2 a list of pairs.
        made: dict[Any, Any] = {}
        pairs = arguments[0] if arguments else ()
        for key, value in pairs.items() if isinstance(pairs, dict) else pairs:
            _filled(made, [key, value])
        return made
    if name == "torch.Size":
        return _sizes(arguments[0])
    if name in _OTHER_TENSORS:
        return OtherTensor(_OTHER_TENSORS[name])
    if name == "torch._tensor._rebuild_from_type_v2":
        # (function, class, its arguments, attributes)
        function, _, inner, _ = arguments
        return _called(function, inner)
    if name.startswith("torch._utils._rebuild_parameter"):
        if not isinstance(arguments[0], Tensor | OtherTensor):
            raise DamageError(f"a parameter of {type(arguments[0]).__name__}")
        return arguments[0]
    if name.startswith("torch._utils._rebuild_tensor"):
        return _tensor(name.rpartition("_")[2], *arguments)
    if name in _INERT:
        return Inert(name)
    raise DamageError(f"a call of {name}")


def _tensor(
    version: str,
    storage: Any,
    offset: Any,
    shape: Any,
    strides: Any,
    requires_grad: Any = None,
    hooks: Any = None,
    *further: Any,
) -> Tensor | OtherTensor:
    """Returns what `_rebuild_tensor` of PyTorch, its `v2` or `v3` describes."""
    del requires_grad, hooks
    if version == "v3":
        # Of a dtype that no network of ours has: uint16, float8.
        return OtherTensor(further[0].name.removeprefix("torch."))
    if any(further):
        # A note that the values are to be conjugated or negated.
        return OtherTensor("conjugated or negated")
    offset = _size(offset)
    if isinstance(storage, Tensor):  # a part of a storage, before PyTorch 0.4
        offset, storage = offset + storage.offset, storage.storage
    if not isinstance(storage, Storage):
        raise DamageError(f"a tensor of {type(storage).__name__}")
    if storage.is_quantized:
        return OtherTensor("quantized")
    tensor = Tensor(storage, offset, _sizes(shape), _sizes(strides))
    if len(tensor.shape) != len(tensor.strides) or len(tensor.shape) > _MOST_AXES:
        raise DamageError("a tensor with an axis too many, or without a stride")
    return tensor


def _filled(target: Any, items: list[Any]) -> dict[Any, Any]:
    if not isinstance(target, dict):
        raise DamageError(f"items of {type(target).__name__}")
    if len(items) % 2:
        raise DamageError("a key without a value")
    for key, value in zip(items[::2], items[1::2], strict=True):
        parts = key if isinstance(key, tuple) else (key,)
        # Deep tuples overflow the stack when they are hashed, and large integers
        # can be chosen so that their hashes are equal.
        if not all(
            part is None
            or isinstance(part, str | bytes | float)
            or (isinstance(part, int) and part.bit_length() <= _KEY_BITS)
            for part in parts
        ):
            raise DamageError("a key of another kind")
        target[key] = value
    return target


def _sizes(values: Any) -> tuple[int, ...]:
    if not isinstance(values, tuple | list):
        raise DamageError(f"sizes of {type(values).__name__}")
    return tuple(_size(value) for value in values)


def _size(value: Any) -> int:
    # Every count and every place fits the address space; none is negative.
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise DamageError("a size that cannot be")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise DamageError(f"a name of {type(value).__name__}")
    return value
