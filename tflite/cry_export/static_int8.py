"""Static int8 of a network: weights and activations, the front end left float.

TFLiteConverter quantises a graph as a whole, ai-edge-quantizer fails on tensors
above 32 MiB, and neither knows our front end. So the float flatbuffer is rewritten:
convolutions and what lies between them compute on int8, with one scale a tensor for
activations (from real clips) and one an output channel for weights. QUANTIZE and
DEQUANTIZE stand where the float front end, masks and pooling begin.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cry_export.calibration import Observer, Scale, observe, trace
from cry_export.equalization import equalize
from cry_export.errors import ConversionError
from cry_export.graph_editing import (
    constant,
    new_operator,
    quantization,
    set_version,
    store,
    twin,
)
from cry_export.layer_noise import compare_tensors
from cry_export.operators import read_graph, schema, write_graph

_Op = schema.BuiltinOperator
_Activation = schema.ActivationFunctionType

# Operators with weights -> (version that reads int8, axis of the output channels).
_WEIGHTED = {
    _Op.CONV_2D: (3, 0),
    _Op.DEPTHWISE_CONV_2D: (3, 3),
    _Op.FULLY_CONNECTED: (12, 0),
}
# What may lie between them -> version (tensorflow/lite/tools/versioning/op_version.cc).
_BETWEEN = {
    _Op.ADD: 2,
    _Op.MUL: 2,
    _Op.MAX_POOL_2D: 2,
    _Op.PAD: 2,
    _Op.RELU: 2,
    _Op.RELU6: 2,
    _Op.RESHAPE: 1,
}
# These hand values on: their kernels ask for one scale on both sides.
_SAME_SCALE = {_Op.MAX_POOL_2D, _Op.PAD, _Op.RESHAPE, _Op.RELU, _Op.RELU6}
_PLAIN = {_Activation.NONE, _Activation.RELU, _Activation.RELU6}
_QUANTIZE_VERSION, _DEQUANTIZE_VERSION = 1, 2
# A bias is an int32 in units of input scale times weight scale.
_MAX_BIAS = 2.0**30
# hard_swish(x) = 0 from here down.
_HARD_SWISH_FLOOR = -3.0


# Signal over noise at the last quantised layer. Below it, layers keep float
# activations, those first whose noise arrives there loudest beside their size.
_MIN_SQNR_DB = 18.0
_JUDGED_CLIPS = 3


@dataclass(frozen=True)
class StaticInt8:
    """What static quantisation made of a file.

    Attributes:
        content: The flatbuffer, float in and out.
        float_file: The float flatbuffer with equalised channels, which computes what
            the given one does; its tensors have the same indices as `content`'s.
        spared: Paths of the layers that would have added too much noise and keep
            float activations.
    """

    content: bytes
    float_file: bytes
    spared: tuple[str, ...]


def quantize_static(
    tflite: bytes,
    representative: Sequence[np.ndarray],
    is_spared: Callable[[Any, Any], bool],
    seed: int = 0,
) -> StaticInt8:
    """Quantises convolutions, and what lies between them, to int8.

    Channels are made equally loud first (see `equalization`). If too much noise
    arrives at the last quantised layer all the same, the layers that it comes from
    keep float activations.

    Args:
        tflite: A float32 flatbuffer, waveform in.
        representative: Clips that the scales of the activations are measured on,
            float32 `(samples,)`.
        is_spared: `(graph, operator)`, True for an operator that stays float.
        seed: Seed of the draws behind the scales.

    Raises:
        ConversionError: If nothing can be quantised, or a weight or an activation is
            not finite.
    """
    graph = read_graph(tflite)
    chosen = _choose(graph, graph.subgraphs[0], is_spared)
    if not chosen:
        raise ConversionError(
            "int8 needs convolutions to quantise, and none is left in this model. Take "
            "quantize='dynamic' (--quantize dynamic), or keep fewer layers float."
        )
    float_file = equalize(tflite, representative, chosen)
    observers = _observe(float_file, representative, chosen, seed)

    def quantised(places: Collection[int]) -> tuple[Any, set[int]]:
        graph = read_graph(float_file)
        subgraph = graph.subgraphs[0]
        kept = _choose(graph, subgraph, is_spared, places)
        _Rewriting(graph, subgraph, kept, observers).run()
        return graph, kept

    rewritten, chosen = quantised(chosen)
    content = write_graph(rewritten)
    judge = _Judge(float_file, representative, max(chosen))
    spared: list[int] = []
    if judge.sqnr_db(rewritten) < _MIN_SQNR_DB:
        weighted = [place for place in sorted(chosen) if _is_weighted(graph, place)]
        noise = {
            place: 10 ** (-judge.sqnr_db(quantised({place})[0]) / 10)
            for place in weighted
        }
        # A large activation is what int8 saves time on.
        noisiest = sorted(
            weighted, key=lambda place: -noise[place] / _elements(graph, place)
        )
        allowed = 10 ** (-_MIN_SQNR_DB / 10)
        count = 0
        while count < len(noisiest) - 1 and (
            sum(noise[place] for place in noisiest[count:]) > allowed
            or judge.sqnr_db(quantised(chosen - set(noisiest[:count]))[0])
            < _MIN_SQNR_DB
        ):
            count += 1
        spared = sorted(noisiest[:count])
        content = write_graph(quantised(chosen - set(spared))[0])
    paths = [_path(graph, place) for place in spared]
    return StaticInt8(content, float_file, tuple(paths))


class _Judge:
    """How much signal arrives at the last quantised layer."""

    def __init__(
        self, float_file: bytes, representative: Sequence[np.ndarray], last: int
    ) -> None:
        graph = read_graph(float_file)
        self._end = {int(graph.subgraphs[0].operators[last].outputs[0])}
        step = max(1, len(representative) // _JUDGED_CLIPS)
        self._clips = list(representative)[::step][:_JUDGED_CLIPS]
        self._expected = list(trace(float_file, self._clips, self._end))

    def sqnr_db(self, graph: Any) -> float:
        """Returns signal over noise there, dB; the tree is used up."""
        found = compare_tensors(self._expected, graph, self._clips, self._end)
        return next(iter(found.values()))


def _is_weighted(graph: Any, place: int) -> bool:
    operator = graph.subgraphs[0].operators[place]
    return graph.operatorCodes[operator.opcodeIndex].builtinCode in _WEIGHTED


def _elements(graph: Any, place: int) -> int:
    subgraph = graph.subgraphs[0]
    shape = subgraph.tensors[subgraph.operators[place].outputs[0]].shape
    return int(np.prod(np.abs(shape)))


def _path(graph: Any, place: int) -> str:
    subgraph = graph.subgraphs[0]
    return subgraph.tensors[subgraph.operators[place].outputs[0]].name.decode()


def _observe(
    tflite: bytes, waveforms: Sequence[np.ndarray], chosen: Collection[int], seed: int
) -> dict[int, Observer]:
    graph = read_graph(tflite)
    subgraph = graph.subgraphs[0]
    wanted = {
        index
        for place in chosen
        for index in _activations(graph, subgraph, subgraph.operators[place])
    }
    observers = observe(tflite, waveforms, wanted, seed)
    for index, observer in observers.items():
        if not observer.is_finite:
            raise ConversionError(
                "Activations must be finite on the representative clips. Received: NaN "
                f"or infinity in {subgraph.tensors[index].name.decode()}."
            )
    return observers


def _choose(
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
            or code not in {**_WEIGHTED, **_BETWEEN}
            or getattr(operator.builtinOptions, "fusedActivationFunction", 0)
            not in _PLAIN
            or (among is not None and place not in among)
            or is_spared(graph, operator)
        ):
            continue
        if code in _WEIGHTED:
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
        if code in _BETWEEN and not any(reader in chosen for reader in followers):
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


def _activations(graph: Any, subgraph: Any, operator: Any) -> list[int]:
    ends = [*operator.inputs, operator.outputs[0]]
    return [index for index in ends if _is_activation(graph, subgraph, index)]


class _Rewriting:
    """One pass over the operators that turns the chosen ones into int8."""

    def __init__(
        self, graph: Any, subgraph: Any, chosen: set, observers: dict[int, Observer]
    ) -> None:
        self._graph, self._subgraph, self._chosen = graph, subgraph, chosen
        self._observers = observers
        self._operators: list[Any] = []
        self._scales: dict[int, Scale] = {}  # of the tensors that are int8 now
        self._as_int8: dict[int, int] = {}  # float tensor -> its int8 twin
        self._as_float: dict[int, int] = {}  # int8 tensor -> its float twin
        self._readers: dict[int, list[int]] = defaultdict(list)
        for operator in subgraph.operators:
            code = graph.operatorCodes[operator.opcodeIndex].builtinCode
            for index in operator.inputs:
                self._readers[index].append(code)

    def run(self) -> None:
        """Rewrites the subgraph."""
        for place, operator in enumerate(list(self._subgraph.operators)):
            operator.inputs = [int(index) for index in operator.inputs]
            if place in self._chosen:
                self._quantize(operator)
            else:
                operator.inputs = [self._float(index) for index in operator.inputs]
            self._operators.append(operator)
        self._subgraph.operators = self._operators

    def _quantize(self, operator: Any) -> None:
        code = self._graph.operatorCodes[operator.opcodeIndex].builtinCode
        result = int(operator.outputs[0])
        if code in _WEIGHTED:
            version, axis = _WEIGHTED[code]
            operator.inputs[0] = self._int8(operator.inputs[0])
            scale = self._scales[operator.inputs[0]]
            self._quantize_weights(operator, axis, scale)
        else:
            version = _BETWEEN[code]
            operator.inputs = [self._int8(index) for index in operator.inputs]
        if code in _SAME_SCALE:
            scale = self._scales[operator.inputs[0]]
        else:
            scale = self._scale_of(result)
        self._set_scale(result, scale)
        set_version(self._graph, operator, version)

    def _scale_of(self, index: int) -> Scale:
        floor = _HARD_SWISH_FLOOR if self._is_hard_swished(index) else None
        return self._observers[index].scale(floor)

    def _is_hard_swished(self, index: int) -> bool:
        return set(self._readers[index]) == {_Op.HARD_SWISH}

    def _int8(self, index: int) -> int:
        """Returns the int8 tensor that holds a float one; others as they are."""
        if index < 0 or index in self._scales:
            return index
        tensor = self._subgraph.tensors[index]
        if tensor.type != schema.TensorType.FLOAT32:
            return index
        if index in self._as_int8:
            return self._as_int8[index]
        values = constant(self._graph, tensor)
        made = twin(self._subgraph, index, "_int8")
        if values is None:
            self._set_scale(made, self._scale_of(index))
            operator = new_operator(
                self._graph, _Op.QUANTIZE, _QUANTIZE_VERSION, [index], [made]
            )
            operator.builtinOptionsType = schema.BuiltinOptions.QuantizeOptions
            operator.builtinOptions = schema.QuantizeOptionsT()
            self._operators.append(operator)
        else:
            _require_finite(values, tensor)
            scale = Scale.of_range(float(values.min()), float(values.max()))
            self._set_scale(made, scale)
            levels = scale.levels(values)
            self._subgraph.tensors[made].buffer = store(self._graph, levels)
        self._as_int8[index] = made
        return made

    def _float(self, index: int) -> int:
        """Returns the float tensor that holds an int8 one; others as they are."""
        if index not in self._scales:
            return index
        if index not in self._as_float:
            made = twin(self._subgraph, index, "_float")
            self._subgraph.tensors[made].type = schema.TensorType.FLOAT32
            operator = new_operator(
                self._graph, _Op.DEQUANTIZE, _DEQUANTIZE_VERSION, [index], [made]
            )
            operator.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
            operator.builtinOptions = schema.DequantizeOptionsT()
            self._operators.append(operator)
            self._as_float[index] = made
        return self._as_float[index]

    def _set_scale(self, index: int, scale: Scale) -> None:
        tensor = self._subgraph.tensors[index]
        tensor.type = schema.TensorType.INT8
        tensor.quantization = quantization(scale.scale, scale.zero_point)
        self._scales[index] = scale

    def _quantize_weights(self, operator: Any, axis: int, heard: Scale) -> None:
        tensor = self._subgraph.tensors[operator.inputs[1]]
        values = constant(self._graph, tensor)
        assert values is not None  # noqa: S101 (chosen for it)
        _require_finite(values, tensor)
        flat = np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)
        scale = np.abs(flat).max(axis=1).astype(np.float64) / 127
        bias = None
        has_bias = len(operator.inputs) > 2 and operator.inputs[2] >= 0
        if has_bias:
            bias_tensor = self._subgraph.tensors[operator.inputs[2]]
            bias = constant(self._graph, bias_tensor)
            assert bias is not None  # noqa: S101
            _require_finite(bias, bias_tensor)
            # A channel with hardly any weight must still hold its bias.
            scale = np.maximum(scale, np.abs(bias) / (heard.scale * _MAX_BIAS))
        scale[scale == 0] = 1  # a channel of zeros stays zeros
        scale = scale.astype(np.float32)
        shape = [1] * values.ndim
        shape[axis] = -1
        levels = np.clip(np.rint(values / scale.reshape(shape)), -127, 127)
        operator.inputs[1] = self._replace(
            operator.inputs[1], levels.astype(np.int8), schema.TensorType.INT8
        )
        weights = self._subgraph.tensors[operator.inputs[1]]
        weights.quantization = quantization(scale, np.zeros(len(scale)), axis)
        if bias is not None:
            unit = np.float32(heard.scale) * scale
            operator.inputs[2] = self._replace(
                operator.inputs[2],
                np.rint(bias / unit).astype(np.int32),
                schema.TensorType.INT32,
            )
            biases = self._subgraph.tensors[operator.inputs[2]]
            biases.quantization = quantization(unit, np.zeros(len(unit)))

    def _replace(self, index: int, values: np.ndarray, kind: int) -> int:
        """Stores other values for a constant; a twin if others read it too."""
        tensor = self._subgraph.tensors[index]
        shared = sum(each.buffer == tensor.buffer for each in self._subgraph.tensors)
        if len(self._readers[index]) > 1 or shared > 1:
            index = twin(self._subgraph, index, "_int8")
            tensor = self._subgraph.tensors[index]
            tensor.buffer = store(self._graph, values)
        else:
            data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
            self._graph.buffers[tensor.buffer].data = data
        tensor.type = kind
        return index


def _require_finite(values: np.ndarray, tensor: Any) -> None:
    if not np.isfinite(values).all():
        raise ConversionError(
            "Weights must be finite. Received: NaN or infinity in "
            f"{tensor.name.decode()}. The training diverged: train again."
        )
