"""Static int8: weights and activations, with ranges from representative clips.

ai-edge-quantizer 0.10 gives the same scores and speed
(benchmarks/static_int8.txt), but converts no CNN14 and no ResNet22 (weights above
32 MiB) and asks for one exact version of the runtime. Equal channels, corrected
biases, other ranges and noisy layers left float bring YAMNet and mn04 through the
gate, to files that are slower than `dynamic` on one processor and 9 % faster (YAMNet
alone) on another: they were tried and left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from cry_export.calibration import Scale, find_ranges
from cry_export.errors import ConversionError
from cry_export.graph_editing import (
    constant,
    new_operator,
    quantization,
    require_finite,
    set_version,
    store,
    twin,
)
from cry_export.operators import read_graph, schema, write_graph

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


_QUANTIZE_VERSION, _DEQUANTIZE_VERSION = 1, 2
# A bias is an int32 in units of input scale times weight scale.
_MAX_BIAS = 2.0**30
# hard_swish(x) = 0 from here down.
_HARD_SWISH_FLOOR = -3.0


class Int8Rewriting:
    """One pass over the operators that turns the chosen ones into int8.

    Args:
        graph: A `ModelT` tree, which is changed.
        chosen: Places of the operators.
        ranges: The least and the largest value of each float tensor around them.

    Attributes:
        graph: The tree.
    """

    def __init__(
        self,
        graph: Any,
        chosen: Collection[int],
        ranges: Mapping[int, tuple[float, float]],
    ) -> None:
        self.graph, self._subgraph, self._chosen = graph, graph.subgraphs[0], chosen
        self._ranges = ranges
        self._operators: list[Any] = []
        self._scales: dict[int, Scale] = {}  # of the tensors that are int8 now
        self._as_int8: dict[int, int] = {}  # float tensor -> its int8 twin
        self._as_float: dict[int, int] = {}  # int8 tensor -> its float twin
        self._readers: dict[int, list[int]] = defaultdict(list)
        for operator in self._subgraph.operators:
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
        code = self.graph.operatorCodes[operator.opcodeIndex].builtinCode
        result = int(operator.outputs[0])
        if code in WEIGHTED:
            version, axis = WEIGHTED[code]
            operator.inputs[0] = self._int8(operator.inputs[0])
            self._quantize_weights(operator, axis)
        else:
            version = BETWEEN[code]
            operator.inputs = [self._int8(index) for index in operator.inputs]
        if code in SAME_SCALE:
            scale = self._scales[operator.inputs[0]]
        else:
            scale = self._scale_of(result)
        self._set_scale(result, scale)
        set_version(self.graph, operator, version)

    def _scale_of(self, index: int) -> Scale:
        low, high = self._ranges[index]
        if self._is_hard_swished(index):
            low = max(low, _HARD_SWISH_FLOOR)
        return Scale.of_range(low, high)

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
        values = constant(self.graph, tensor)
        made = twin(self._subgraph, index, "_int8")
        if values is None:
            self._set_scale(made, self._scale_of(index))
            operator = new_operator(
                self.graph, _Op.QUANTIZE, _QUANTIZE_VERSION, [index], [made]
            )
            operator.builtinOptionsType = schema.BuiltinOptions.QuantizeOptions
            operator.builtinOptions = schema.QuantizeOptionsT()
            self._operators.append(operator)
        else:
            require_finite(tensor, values)
            scale = Scale.of_range(float(values.min()), float(values.max()))
            self._set_scale(made, scale)
            levels = scale.levels(values)
            self._subgraph.tensors[made].buffer = store(self.graph, levels)
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
                self.graph, _Op.DEQUANTIZE, _DEQUANTIZE_VERSION, [index], [made]
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

    def _quantize_weights(self, operator: Any, axis: int) -> None:
        read = self._scales[operator.inputs[0]]
        tensor = self._subgraph.tensors[operator.inputs[1]]
        values = constant(self.graph, tensor)
        assert values is not None  # noqa: S101 (chosen for it)
        require_finite(tensor, values)
        flat = np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)
        scale = np.abs(flat).max(axis=1).astype(np.float64) / 127
        bias = None
        has_bias = len(operator.inputs) > 2 and operator.inputs[2] >= 0
        if has_bias:
            bias_tensor = self._subgraph.tensors[operator.inputs[2]]
            bias = constant(self.graph, bias_tensor)
            assert bias is not None  # noqa: S101
            require_finite(bias_tensor, bias)
            # A channel with hardly any weight must still hold its bias.
            scale = np.maximum(scale, np.abs(bias) / (read.scale * _MAX_BIAS))
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
            unit = np.float32(read.scale) * scale
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
            tensor.buffer = store(self.graph, values)
        else:
            data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
            self.graph.buffers[tensor.buffer].data = data
        tensor.type = kind
        return index


_RANGE_CLIPS = 64


def quantize_static(
    tflite: bytes,
    representative: Sequence[np.ndarray],
    is_spared: Callable[[Any, Any], bool],
) -> bytes:
    """Quantises convolutions, and what lies between them, to int8.

    Args:
        tflite: A float32 flatbuffer, waveform in.
        representative: Clips of the training data, float32 `(samples,)`. Up to 64,
            spread over them, give the ranges of the activations.
        is_spared: `(graph, operator)`, True for an operator that stays float.

    Returns:
        The flatbuffer, float in and out. A tensor has kept its index.

    Raises:
        ConversionError: If nothing can be quantised, or a weight or an activation is
            not finite.
    """
    graph = read_graph(tflite)
    subgraph = graph.subgraphs[0]
    chosen = choose(graph, subgraph, is_spared)
    if not chosen:
        raise ConversionError(
            "int8 needs convolutions to quantise, and none is left in this model. Take "
            "quantize='dynamic' (--quantize dynamic), or keep fewer layers float."
        )
    wanted = {
        index
        for place in chosen
        for index in activations(graph, subgraph, subgraph.operators[place])
    }
    clips = representative[:: -(-len(representative) // _RANGE_CLIPS)]
    ranges = find_ranges(tflite, [*_edges(clips), *clips], wanted)
    for index, span in ranges.items():
        if not np.isfinite(span).all():
            raise ConversionError(
                "Activations must be finite on the representative clips. Received: NaN "
                f"or infinity in {subgraph.tensors[index].name.decode()}."
            )
    Int8Rewriting(graph, chosen, ranges).run()
    return write_graph(graph)


def _edges(representative: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Returns full-scale noise, long and short, and silence.

    The loudest that a microphone can give lies far outside the ranges of most clips,
    most of all where it breaks off within a patch, and must be answered as before too.
    """
    samples = max(len(clip) for clip in representative)
    noise = np.random.default_rng(1).choice((-1.0, 1.0), samples)
    noise = noise.astype(np.float32)
    lengths = (1, 2, 5, 8)
    return [*(noise[: max(1, samples // n)] for n in lengths), np.zeros_like(noise)]
