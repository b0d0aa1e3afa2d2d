"""Makes the channels of an activation equally loud: one int8 scale suits them all.

Behind a ReLU a channel can be divided by a number and the weights that read it
multiplied by the same: the network answers as before. Depthwise networks need it,
because their channels differ by orders of magnitude and only share a scale.

Reference:
    [Nagel et al., 2019](https://arxiv.org/abs/1906.04721) between weights;
    [Xiao et al., 2022](https://arxiv.org/abs/2211.10438) between an activation and
    the weights that read it, which is what is done here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from cry_export.calibration import trace
from cry_export.graph_editing import constant, store, twin
from cry_export.operators import read_graph, schema, write_graph

_Op = schema.BuiltinOperator
_Activation = schema.ActivationFunctionType
_HOMOGENEOUS = {_Activation.NONE, _Activation.RELU}
# A factor beyond this says that a channel was all but silent on these clips.
_MAX_FACTOR = 1e3


def equalize(
    tflite: bytes, waveforms: Sequence[np.ndarray], chosen: Collection[int]
) -> bytes:
    """Returns a file that computes the same with channels that are equally loud.

    Args:
        tflite: A float32 flatbuffer, waveform in.
        waveforms: Clips that the channels are measured on, float32 `(samples,)`.
        chosen: Places of the operators that will compute on int8.
    """
    graph = read_graph(tflite)
    subgraph = graph.subgraphs[0]
    pairs = _pairs(graph, subgraph, chosen)
    if not pairs:
        return tflite
    peaks: dict[int, Any] = dict.fromkeys(int(one.outputs[0]) for one, _ in pairs)
    # Peaks, because they set the range. Behind a ReLU some channels are silent but for
    # a few of them: made equal by their root mean square they take the levels of the
    # others, and YAMNet loses 3 to 8 dB.
    for values in trace(tflite, waveforms, peaks):
        for index, seen in values.items():
            peak = np.abs(seen.reshape(-1, seen.shape[-1])).max(axis=0)
            peaks[index] = np.maximum(peak, 0 if peaks[index] is None else peaks[index])
    # In the order of the network, so that a pair sees what its neighbour changed.
    for first, second in pairs:
        _balance(graph, subgraph, first, second, peaks[int(first.outputs[0])])
    return write_graph(graph)


def _pairs(graph: Any, subgraph: Any, chosen: Collection[int]) -> list[tuple[Any, Any]]:
    """Returns convolutions and the one convolution that reads each."""
    readers: dict[int, list[int]] = {}
    for place, operator in enumerate(subgraph.operators):
        for index in operator.inputs:
            readers.setdefault(int(index), []).append(place)
    pairs = []
    for place in sorted(chosen):
        first = subgraph.operators[place]
        followers = readers.get(int(first.outputs[0]), [])
        if len(followers) != 1 or followers[0] not in chosen:
            continue
        second = subgraph.operators[followers[0]]
        if (
            _kind(graph, first) in (_Op.CONV_2D, _Op.DEPTHWISE_CONV_2D)
            and first.builtinOptions.fusedActivationFunction in _HOMOGENEOUS
            and _kind(graph, second) in (_Op.CONV_2D, _Op.DEPTHWISE_CONV_2D)
            and int(second.inputs[0]) == int(first.outputs[0])
            and getattr(second.builtinOptions, "depthMultiplier", 1) == 1
            and all(_is_constant(graph, subgraph, each) for each in (first, second))
        ):
            pairs.append((first, second))
    return pairs


def _is_constant(graph: Any, subgraph: Any, operator: Any) -> bool:
    """Whether its weights and bias are stored in float32."""
    return all(
        constant(graph, subgraph.tensors[index]) is not None
        for index in operator.inputs[1:]
        if index >= 0
    )


def _balance(graph: Any, subgraph: Any, first: Any, second: Any, seen: Any) -> None:
    weights = _values(graph, subgraph, second.inputs[1])
    if _kind(graph, second) == _Op.DEPTHWISE_CONV_2D:
        # Weights have a scale per channel: nothing is lost.
        factor = seen.astype(np.float64)
    else:
        read = np.abs(weights).max(axis=(0, 1, 2)).astype(np.float64)
        factor = np.sqrt(seen / np.where(read > 0, read, 1))
        factor[read == 0] = 0
    if not factor.any():
        return
    factor /= np.exp(np.log(factor[factor > 0]).mean())
    factor = np.where(factor > 0, np.clip(factor, 1 / _MAX_FACTOR, _MAX_FACTOR), 1.0)
    made = _values(graph, subgraph, first.inputs[1])
    if _kind(graph, first) == _Op.DEPTHWISE_CONV_2D:
        made = made / factor
    else:
        made = made / factor[:, None, None, None]
    _put(graph, subgraph, first, 1, made)
    if len(first.inputs) > 2 and first.inputs[2] >= 0:
        bias = _values(graph, subgraph, first.inputs[2])
        _put(graph, subgraph, first, 2, bias / factor)
    _put(graph, subgraph, second, 1, weights * factor)


def _kind(graph: Any, operator: Any) -> int:
    return graph.operatorCodes[operator.opcodeIndex].builtinCode


def _values(graph: Any, subgraph: Any, index: int) -> np.ndarray:
    values = constant(graph, subgraph.tensors[index])
    assert values is not None  # noqa: S101 (_is_constant looked)
    return values


def _put(
    graph: Any, subgraph: Any, operator: Any, slot: int, values: np.ndarray
) -> None:
    """Replaces one stored input; what others read is left as it is."""
    index = int(operator.inputs[slot])
    tensor = subgraph.tensors[index]
    readers = sum(
        int(np.sum(np.asarray(each.inputs) == index)) for each in subgraph.operators
    )
    sharing = sum(each.buffer == tensor.buffer for each in subgraph.tensors)
    values = values.astype("<f4")
    if readers > 1:
        index = twin(subgraph, index, "_equal")
        operator.inputs = [
            index if place == slot else int(old)
            for place, old in enumerate(operator.inputs)
        ]
    if readers > 1 or sharing > 1:
        subgraph.tensors[index].buffer = store(graph, values)
    else:
        data = np.frombuffer(values.tobytes(), np.uint8)
        graph.buffers[tensor.buffer].data = data
