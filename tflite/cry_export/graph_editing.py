"""Small changes to a TFLite graph: a tensor, an operator, a constant."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from cry_export.errors import ConversionError
from cry_export.operators import schema

# The first runtime that knows every operator version written here
# (tensorflow/lite/tools/versioning/runtime_version.cc).
_MIN_RUNTIME = "2.17.0"


def constant(graph: Any, tensor: Any) -> np.ndarray | None:
    """Returns the float32 values stored for a tensor, or None if there are none."""
    data = graph.buffers[tensor.buffer].data
    if data is None or tensor.type != schema.TensorType.FLOAT32:
        return None
    # `shape` is None for a scalar.
    shape = () if tensor.shape is None else tuple(int(size) for size in tensor.shape)
    return np.frombuffer(bytes(data), "<f4").reshape(shape)


def require_finite(tensor: Any, values: np.ndarray) -> None:
    """Raises `ConversionError` if one of a tensor's weights is NaN or infinite."""
    if not np.isfinite(values).all():
        raise ConversionError(
            "Weights must be finite. Received: NaN or infinity in "
            f"{tensor.name.decode()}. The training diverged: train again."
        )


def store(graph: Any, values: np.ndarray) -> int:
    """Adds a buffer with these values and returns its index."""
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)  # type: ignore[assignment]
    graph.buffers.append(buffer)
    return len(graph.buffers) - 1


def twin(subgraph: Any, index: int, suffix: str) -> int:
    """Adds a tensor like another one, named by its index and a suffix."""
    original = subgraph.tensors[index]
    tensor = copy.copy(original)
    # Paths are long where the converter fused much; no one looks for a twin.
    tensor.name = f"{index}{suffix}".encode()
    tensor.buffer = 0
    tensor.quantization = None
    subgraph.tensors.append(tensor)
    return len(subgraph.tensors) - 1


def quantization(scale: Any, zero_point: Any, axis: int = 0) -> Any:
    """Returns the parameters of a quantised tensor.

    Args:
        scale: Float > 0, or one a channel.
        zero_point: Int in the type's range, or one a channel.
        axis: Which axis the channels are.
    """
    parameters: Any = schema.QuantizationParametersT()
    parameters.scale = np.atleast_1d(np.asarray(scale, np.float32))
    parameters.zeroPoint = np.atleast_1d(np.asarray(zero_point, np.int64))
    parameters.quantizedDimension = axis
    return parameters


def new_operator(
    graph: Any, builtin: int, version: int, inputs: list[int], outputs: list[int]
) -> Any:
    """Returns an operator without options; the caller puts it into its place."""
    operator: Any = schema.OperatorT()
    operator.inputs, operator.outputs = inputs, outputs
    operator.opcodeIndex = opcode(graph, builtin, version)
    return operator


def set_version(graph: Any, operator: Any, version: int) -> None:
    """Points an operator at a version of its code; others keep theirs."""
    builtin = graph.operatorCodes[operator.opcodeIndex].builtinCode
    operator.opcodeIndex = opcode(graph, builtin, version)


def opcode(graph: Any, builtin: int, version: int) -> int:
    """Returns the index of an operator code, which is added if it is not there.

    The file then asks for the runtime that knows it.
    """
    for entry in graph.metadata or ():
        if entry.name == b"min_runtime_version":
            text = _MIN_RUNTIME.encode().ljust(16, b"\0")
            graph.buffers[entry.buffer].data = np.frombuffer(text, np.uint8)
    for index, code in enumerate(graph.operatorCodes):
        if (code.builtinCode, code.version) == (builtin, version):
            return index
    code: Any = schema.OperatorCodeT()
    code.builtinCode = builtin
    # The field of old readers holds no number above 127.
    code.deprecatedBuiltinCode = min(builtin, 127)
    code.version = version
    graph.operatorCodes.append(code)
    return len(graph.operatorCodes) - 1
