"""A float graph rewritten, so that some of its operators compute on int8."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from cry_export.calibration import ChannelMeans, Observer, Scale
from cry_export.graph_editing import (
    constant,
    new_operator,
    quantization,
    require_finite,
    set_version,
    store,
    twin,
)
from cry_export.int8_places import BETWEEN, SAME_SCALE, WEIGHTED
from cry_export.operators import schema

_Op = schema.BuiltinOperator
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
        observers: What was seen of each float tensor around them.
        means: Of the tensors that convolutions read; the biases take back what
            rounding does to the mean of their sums. Tensors may be missing.

    Attributes:
        graph: The tree.
        heard: Float tensors that convolutions read to their scales, after `run`.
    """

    def __init__(
        self,
        graph: Any,
        chosen: Collection[int],
        observers: Mapping[int, Observer],
        means: Mapping[int, ChannelMeans],
    ) -> None:
        self.graph, self._subgraph, self._chosen = graph, graph.subgraphs[0], chosen
        self._observers, self._means = observers, means
        self.heard: dict[int, Scale] = {}
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
            source = operator.inputs[0]
            operator.inputs[0] = self._int8(source)
            self.heard[source] = self._scales[operator.inputs[0]]
            self._quantize_weights(operator, axis, source)
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

    def _quantize_weights(self, operator: Any, axis: int, source: int) -> None:
        heard = self.heard[source]
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
            if source in self._means:
                rounded = levels * scale.reshape(shape)
                bias = bias - _shift(values, rounded, axis, self._means[source])
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
            tensor.buffer = store(self.graph, values)
        else:
            data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
            self.graph.buffers[tensor.buffer].data = data
        tensor.type = kind
        return index


def _shift(
    weights: np.ndarray, rounded: np.ndarray, axis: int, means: ChannelMeans
) -> np.ndarray:
    """Returns how far int8 moves the mean of each output channel, `(channels,)`.

    Reference:
        Bias correction, [Nagel et al., 2019](https://arxiv.org/abs/1906.04721), for
        weights and for activations. Edges of an image are not told apart.
    """
    if weights.shape[-1] != len(means.real):  # several outputs of one input
        return np.zeros(weights.shape[axis])
    others = tuple(i for i in range(weights.ndim - 1) if i != axis)
    moved = rounded.sum(axis=others) * means.rounded
    moved = moved - weights.sum(axis=others, dtype=np.float64) * means.real
    return moved if axis == weights.ndim - 1 else moved.sum(axis=-1)
