"""Weights stored as float16: half the size, the answers all but the same.

Where weights are read a DEQUANTIZE stands before, which the runtime does once when it
loads the file. TFLiteConverter's own float16 takes the front end along, whose mel
weights reach down to where float16 has few digits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cry_export.graph_editing import (
    constant,
    new_operator,
    require_finite,
    store,
    twin,
)
from cry_export.operators import read_graph, schema, write_graph

_Op = schema.BuiltinOperator
_WEIGHTED = {_Op.CONV_2D, _Op.DEPTHWISE_CONV_2D, _Op.FULLY_CONNECTED}
_DEQUANTIZE_VERSION = 3  # reads float16
# Below it the operator and its tensor take more bytes than are saved.
_MIN_ELEMENTS = 512
_LARGEST = float(np.finfo(np.float16).max)


def halve_weights(tflite: bytes, is_spared: Callable[[Any, Any], bool]) -> bytes:
    """Stores the float32 weights of convolutions and dense layers as float16.

    A layer with a weight above 65504, the largest number of float16, is left alone.

    Args:
        tflite: A float32 TFLite flatbuffer, without appended metadata.
        is_spared: `(graph, operator)`, True for an operator that keeps float32.

    Raises:
        ConversionError: If a weight is not finite.
    """
    graph = read_graph(tflite)
    subgraph = graph.subgraphs[0]
    operators = []
    as_float32: dict[int, int] = {}
    for operator in subgraph.operators:
        code = graph.operatorCodes[operator.opcodeIndex].builtinCode
        if code in _WEIGHTED and not is_spared(graph, operator):
            operator.inputs = [int(index) for index in operator.inputs]
            index = operator.inputs[1]
            tensor = subgraph.tensors[index]
            values = constant(graph, tensor)
            if index not in as_float32 and values is not None:
                if values.size < _MIN_ELEMENTS or not _fits(tensor, values):
                    operators.append(operator)
                    continue
                as_float32[index] = twin(subgraph, index, "_float32")
                _store_half(graph, tensor, values)
                operators.append(_dequantize(graph, index, as_float32[index]))
            operator.inputs[1] = as_float32.get(index, index)
        operators.append(operator)
    subgraph.operators = operators
    return write_graph(graph)


def _fits(tensor: Any, values: np.ndarray) -> bool:
    require_finite(tensor, values)
    return bool(np.abs(values).max() <= _LARGEST)


def _store_half(graph: Any, tensor: Any, values: np.ndarray) -> None:
    half = values.astype("<f2")
    subgraph = graph.subgraphs[0]
    if sum(each.buffer == tensor.buffer for each in subgraph.tensors) > 1:
        tensor.buffer = store(graph, half)
    else:
        graph.buffers[tensor.buffer].data = np.frombuffer(half.tobytes(), np.uint8)
    tensor.type = schema.TensorType.FLOAT16


def _dequantize(graph: Any, index: int, result: int) -> Any:
    operator = new_operator(
        graph, _Op.DEQUANTIZE, _DEQUANTIZE_VERSION, [index], [result]
    )
    operator.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
    operator.builtinOptions = schema.DequantizeOptionsT()
    return operator
