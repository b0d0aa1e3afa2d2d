"""Reads and writes the operators of a TFLite flatbuffer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np

from cry_export.errors import ConversionError
from cry_export.quiet import quiet

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


with quiet():  # its shared libraries greet on import
    from tensorflow.lite.python import schema_py_generated as schema

# The converter names a tensor by the path of the layers it comes from, with a
# number after a name that was taken, and joins the paths of what it fused with ";".
_FRONT_END = re.compile(r"(?:^|[/;])frontend(?:_\d+)?(?:/|;|$)")
_BUILTIN_NAMES = {
    value: name
    for name, value in vars(schema.BuiltinOperator).items()
    if isinstance(value, int)
}
_TYPE_NAMES = {
    value: name.lower()
    for name, value in vars(schema.TensorType).items()
    if isinstance(value, int)
}


@dataclass(frozen=True)
class StoredTensor:
    """A tensor whose values are stored in the file.

    Attributes:
        name: Its path.
        dtype: For example `float32` or `int8`.
        shape: Its sizes, () for a scalar.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Operator:
    """One step of the graph.

    Attributes:
        name: For example `CONV_2D`; for an operator that the plain runtime does
            not have, the name it asks for, for example `FlexErf`.
        is_builtin: False for those.
        path: Name of its first output tensor.
        constants: Its stored inputs.
    """

    name: str
    is_builtin: bool
    path: str
    constants: tuple[StoredTensor, ...]

    @property
    def is_front_end(self) -> bool:
        """Whether it comes from the layer named `frontend`."""
        return is_front_end(self.path)


def is_front_end(path: str) -> bool:
    """Whether a tensor of that name comes from the layer named `frontend`."""
    return _FRONT_END.search(path) is not None


def is_of_front_end(graph: Any, operator: Any) -> bool:
    """Whether an operator of a graph, or what it stores, comes from the front end."""
    subgraph = graph.subgraphs[0]
    own = [operator.outputs[0], *[i for i in operator.inputs[1:2] if i >= 0]]
    return any(
        is_front_end(_text(subgraph.tensors[index].name))
        for index in own
        if index == operator.outputs[0]
        or graph.buffers[subgraph.tensors[index].buffer].data is not None
    )


def read_graph(tflite: bytes) -> Any:
    """Reads a TFLite flatbuffer into the schema's mutable `ModelT` tree."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(tflite, 0))


def write_graph(graph: Any) -> bytes:
    """Writes a `ModelT` tree back into a TFLite flatbuffer."""
    for subgraph in graph.subgraphs:
        for operator in subgraph.operators:
            for name in ("inputs", "outputs"):  # as one vector, which can be shared
                setattr(operator, name, np.array(getattr(operator, name), np.int32))
    builder = SharingBuilder()
    builder.Finish(graph.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def list_operators(tflite: bytes) -> tuple[Operator, ...]:
    """Lists the operators of a TFLite file in the order in which they run."""
    graph = read_graph(tflite)
    return tuple(
        Operator(
            name=_name(graph, operator),
            is_builtin=_is_builtin(graph, operator),
            path=_text(subgraph.tensors[operator.outputs[0]].name),
            constants=tuple(_constants(graph, subgraph, operator)),
        )
        for subgraph in graph.subgraphs
        for operator in subgraph.operators
    )


def require_front_end(tflite: bytes) -> None:
    """Raises `ConversionError` if no operator comes from a layer named `frontend`."""
    if not any(operator.is_front_end for operator in list_operators(tflite)):
        raise ConversionError(
            "The front end must stay float, and no operator of the converted model "
            "comes from a layer named 'frontend'. Name the model's FrontEnd so."
        )


def refuse_foreign(tflite: bytes) -> None:
    """Refuses a file that the plain runtime cannot run.

    Raises:
        ConversionError: If an operator is no builtin (Flex or custom), or an
            FFT's length is no power of two (the builtin RFFT2D takes no other
            and fails only on the device).
    """
    operators = list_operators(tflite)
    refuse_foreign_names(
        [operator.name for operator in operators if not operator.is_builtin]
    )
    graph = read_graph(tflite)
    for subgraph in graph.subgraphs:
        for operator in subgraph.operators:
            if _name(graph, operator) != "RFFT2D":
                continue
            tensor = subgraph.tensors[operator.inputs[1]]
            lengths = np.frombuffer(bytes(graph.buffers[tensor.buffer].data), "<i4")
            if any(length < 1 or length & (length - 1) for length in lengths):
                raise ConversionError(
                    "The FFT length of the front end must be a power of two, the "
                    f"builtin FFT of TFLite takes no other. Received: {lengths[-1]}."
                )


def refuse_foreign_names(names: Sequence[str]) -> None:
    """Raises `ConversionError` that lists the operators, if there are any."""
    if names:
        raise ConversionError(
            "A TFLite file may hold builtin operators only, so that the plain runtime "
            f"can run it. Received: {', '.join(sorted(set(names)))}. Replace the layer "
            "that uses them (often a Lambda) by one made of builtin operations."
        )


def _constants(graph: Any, subgraph: Any, operator: Any) -> Iterator[StoredTensor]:
    for index in operator.inputs:
        if index < 0:  # an optional input left out
            continue
        tensor = subgraph.tensors[index]
        if graph.buffers[tensor.buffer].data is not None:
            shape = () if tensor.shape is None else tuple(int(n) for n in tensor.shape)
            yield StoredTensor(_text(tensor.name), _TYPE_NAMES[tensor.type], shape)


def _code(graph: Any, operator: Any) -> Any:
    return graph.operatorCodes[operator.opcodeIndex]


def _is_builtin(graph: Any, operator: Any) -> bool:
    return _code(graph, operator).builtinCode != schema.BuiltinOperator.CUSTOM


def _name(graph: Any, operator: Any) -> str:
    code = _code(graph, operator)
    if _is_builtin(graph, operator):
        return _BUILTIN_NAMES[code.builtinCode]
    return _text(code.customCode)


def _text(name: bytes | None) -> str:
    return "" if name is None else name.decode()
