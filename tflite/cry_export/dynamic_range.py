"""Dynamic-range quantisation of the layers that gain from it, and of no other.

TFLiteConverter's own dynamic-range recipe quantises depthwise convolutions too,
which makes a depthwise network slower than in float and moves its scores more,
and it spares the front end only by a size threshold. Here the weights of
CONV_2D and FULLY_CONNECTED become int8, one scale an output channel; the runtime
quantises their inputs on the fly. benchmarks/export.py measures both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from cry_export.error_feedback import Probes
from cry_export.graph_editing import quantization, require_finite, set_version
from cry_export.operators import (
    is_of_front_end,
    read_graph,
    require_front_end,
    schema,
    write_graph,
)

# The operator versions that read int8 weights, one scale an output channel, beside
# float32 inputs (tensorflow/lite/tools/versioning/op_version.cc).
_HYBRID_VERSION = {
    schema.BuiltinOperator.CONV_2D: 5,
    schema.BuiltinOperator.FULLY_CONNECTED: 12,
}
# Sparing the first layers and a small head takes a third off the error of YAMNet's
# scores, costs 1 % of its bytes and no time: what holds less than 1/200 of the
# weights is not worth its error. Between TFLiteConverter's own limit and the size
# from which a layer's time counts.
_MIN_SHARE = 1 / 200
_MIN_ELEMENTS, _MAX_SPARED = 1_024, 16_384


def quantize_weights(
    tflite: bytes,
    is_spared: Callable[[Any, Any], bool] | None = None,
    probes: Probes | None = None,
) -> bytes:
    """Stores the weights of convolutions and dense layers as int8.

    Depthwise convolutions, weights that are small beside the whole network (fewer
    than 1024 elements, or fewer than 16384 and less than 1/200 of all), weights that
    another operator reads too, biases, and all that comes from the layer named
    `frontend` stay as they are.

    Args:
        tflite: A float32 TFLite flatbuffer, without appended metadata.
        is_spared: `(graph, operator)`, True for an operator that stays float. None
            spares the front end alone.
        probes: Sounds on which the errors of rounding shall make up for each other
            (see `error_feedback`); None rounds each weight by itself.

    Returns:
        The smaller flatbuffer.

    Raises:
        ConversionError: If no operator comes from a layer named `frontend`, so
            that it could not be spared, or if a weight is not finite.
    """
    require_front_end(tflite)
    spares = is_spared or is_of_front_end
    graph = read_graph(tflite)
    fewest = _fewest_elements(graph)
    subgraph = graph.subgraphs[0]
    readers = Counter(
        index for operator in subgraph.operators for index in operator.inputs
    )
    chosen = [
        operator
        for operator in subgraph.operators
        if _kind(graph, operator) in _HYBRID_VERSION
        and not spares(graph, operator)
        and readers[operator.inputs[1]] == 1
        and _is_large_float(graph, subgraph.tensors[operator.inputs[1]], fewest)
    ]
    moments: dict[int, np.ndarray] = {}
    if probes is not None:
        inputs = {int(operator.inputs[0]) for operator in chosen}
        moments = probes.moments(tflite, inputs)
    for operator in chosen:
        code = _kind(graph, operator)
        weights = subgraph.tensors[operator.inputs[1]]
        _quantize(graph, weights, probes, moments.get(int(operator.inputs[0])))
        set_version(graph, operator, _HYBRID_VERSION[code])
        if code == schema.BuiltinOperator.FULLY_CONNECTED:
            operator.builtinOptions.asymmetricQuantizeInputs = True
    return write_graph(graph)


def _fewest_elements(graph: Any) -> int:
    """Returns the size from which weights are worth quantising."""
    everything = sum(
        int(np.prod(tensor.shape))
        for subgraph in graph.subgraphs
        for tensor in subgraph.tensors
        if tensor.type == schema.TensorType.FLOAT32
        and tensor.shape is not None
        and graph.buffers[tensor.buffer].data is not None
    )
    return int(np.clip(_MIN_SHARE * everything, _MIN_ELEMENTS, _MAX_SPARED))


def _is_large_float(graph: Any, tensor: Any, fewest: int) -> bool:
    return (
        tensor.type == schema.TensorType.FLOAT32
        and graph.buffers[tensor.buffer].data is not None
        and int(np.prod(tensor.shape)) >= fewest
        and sum(
            other.buffer == tensor.buffer
            for subgraph in graph.subgraphs
            for other in subgraph.tensors
        )
        == 1
    )


def _kind(graph: Any, operator: Any) -> int:
    return graph.operatorCodes[operator.opcodeIndex].builtinCode


def _quantize(
    graph: Any, tensor: Any, probes: Probes | None, moments: np.ndarray | None
) -> None:
    values = np.frombuffer(bytes(graph.buffers[tensor.buffer].data), "<f4")
    values = values.reshape(tensor.shape)  # output channels first in both
    require_finite(tensor, values)
    flat = values.reshape(len(values), -1)
    scale = np.abs(flat).max(axis=1) / np.float32(127)
    scale[scale == 0] = 1  # a channel of zeros stays zeros
    if probes is None or moments is None or len(moments) != values.shape[-1]:
        levels = np.clip(np.rint(flat / scale[:, None]), -127, 127).astype(np.int8)
    else:
        levels = probes.rounded(values, scale, moments)
    graph.buffers[tensor.buffer].data = levels.reshape(-1).view(np.uint8)
    tensor.type = schema.TensorType.INT8
    tensor.quantization = quantization(scale, np.zeros(len(scale)))
