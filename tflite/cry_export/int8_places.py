"""Which operators of a network can compute on int8."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from cry_export.graph_editing import constant
from cry_export.operators import schema

_Op = schema.BuiltinOperator
_Activation = schema.ActivationFunctionType

# Operators with weights -> (version that reads int8, axis of the output channels).
WEIGHTED = {
    _Op.CONV_2D: (3, 0),
    _Op.DEPTHWISE_CONV_2D: (3, 3),
    _Op.FULLY_CONNECTED: (12, 0),
}
# What may lie between them -> version (tensorflow/lite/tools/versioning/op_version.cc).
BETWEEN = {
    _Op.ADD: 2,
    _Op.MUL: 2,
    _Op.MAX_POOL_2D: 2,
    _Op.PAD: 2,
    _Op.RELU: 2,
    _Op.RELU6: 2,
    _Op.RESHAPE: 1,
}
# These hand values on: their kernels ask for one scale on both sides.
SAME_SCALE = {_Op.MAX_POOL_2D, _Op.PAD, _Op.RESHAPE, _Op.RELU, _Op.RELU6}
_PLAIN = {_Activation.NONE, _Activation.RELU, _Activation.RELU6}


def choose(
    graph: Any,
    subgraph: Any,
    is_spared: Callable[[Any, Any], bool],
    among: Collection[int] | None = None,
) -> set[int]:
    """Returns the places of the operators that will compute on int8.

    Every convolution; a dense layer behind one; what else lies on a way from one of
    them to another. What follows the last of them stays float.
    """
    outputs = set(subgraph.outputs)
    readers = defaultdict(list)
    is_int8: set[int] = set()
    chosen: set[int] = set()
    for place, operator in enumerate(subgraph.operators):
        for index in operator.inputs:
            readers[index].append(place)
        code = graph.operatorCodes[operator.opcodeIndex].builtinCode
        result = operator.outputs[0]
        if (
            subgraph.tensors[result].type != schema.TensorType.FLOAT32
            or result in outputs
            or code not in {**WEIGHTED, **BETWEEN}
            or getattr(operator.builtinOptions, "fusedActivationFunction", 0)
            not in _PLAIN
            or (among is not None and place not in among)
            or is_spared(graph, operator)
        ):
            continue
        if code in WEIGHTED:
            weights = subgraph.tensors[operator.inputs[1]]
            if constant(graph, weights) is None:
                continue
            if code == _Op.FULLY_CONNECTED and operator.inputs[0] not in is_int8:
                continue
        elif _largest(graph, subgraph, operator) not in is_int8:
            continue
        chosen.add(place)
        is_int8.add(result)
    for place in sorted(chosen, reverse=True):
        operator = subgraph.operators[place]
        code = graph.operatorCodes[operator.opcodeIndex].builtinCode
        followers = readers[operator.outputs[0]]
        if code in BETWEEN and not any(reader in chosen for reader in followers):
            chosen.discard(place)
    return chosen


def _largest(graph: Any, subgraph: Any, operator: Any) -> int | None:
    """Returns the float input with the most elements that is no constant."""
    sizes = {
        index: int(np.prod(np.abs(subgraph.tensors[index].shape)))
        for index in operator.inputs
        if _is_activation(graph, subgraph, index)
    }
    return max(sizes, key=lambda index: sizes[index]) if sizes else None


def _is_activation(graph: Any, subgraph: Any, index: int) -> bool:
    if index < 0:  # an optional input left out
        return False
    tensor = subgraph.tensors[index]
    return (
        tensor.type == schema.TensorType.FLOAT32
        and graph.buffers[tensor.buffer].data is None
        and tensor.shape is not None
    )


def activations(graph: Any, subgraph: Any, operator: Any) -> list[int]:
    """Returns the tensors around an operator that take values from clip to clip."""
    ends = [*operator.inputs, operator.outputs[0]]
    return [index for index in ends if _is_activation(graph, subgraph, index)]
