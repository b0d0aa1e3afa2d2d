"""How much of each layer's signal survives quantisation."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from cry_export.calibration import trace
from cry_export.graph_editing import constant
from cry_export.operators import is_front_end, read_graph, schema

_Op = schema.BuiltinOperator
_WEIGHTED = {
    _Op.CONV_2D: "CONV_2D",
    _Op.DEPTHWISE_CONV_2D: "DEPTHWISE_CONV_2D",
    _Op.FULLY_CONNECTED: "FULLY_CONNECTED",
}
# Beyond what float32 resolves.
_MAX_DB = 150.0


@dataclass(frozen=True)
class LayerNoise:
    """How one layer answers in a quantised file.

    Attributes:
        layer: Name of the Keras layer.
        operator: What it became.
        place: Place of the operator in the float file.
        is_int8: Whether its output is int8.
        has_int8_weights: Whether its weights are.
        sqnr_db: Signal over quantisation noise at its output: the noise of all
            layers up to it.
        added_noise: Noise over signal, as a ratio of powers, that the layer adds to
            that of its input, at least 0.
    """

    layer: str
    operator: str
    place: int
    is_int8: bool
    has_int8_weights: bool
    sqnr_db: float
    added_noise: float


def measure_layers(
    float_file: bytes,
    quantised: bytes,
    waveforms: Sequence[np.ndarray],
    layers: Collection[str] = (),
) -> list[LayerNoise]:
    """Compares the convolutions and dense layers of two files.

    Args:
        float_file: The float32 flatbuffer.
        quantised: What a recipe made of it: a tensor has kept its index.
        waveforms: Clips, float32 `(samples,)`.
        layers: Names of the Keras layers, to find them in the paths.

    Returns:
        One entry a layer, in the order in which they run.
    """
    graph = read_graph(float_file)
    subgraph = graph.subgraphs[0]
    weighted = []
    for place, operator in enumerate(subgraph.operators):
        code = graph.operatorCodes[operator.opcodeIndex].builtinCode
        path = subgraph.tensors[operator.outputs[0]].name.decode()
        if (
            code in _WEIGHTED
            and not is_front_end(path)
            and constant(graph, subgraph.tensors[operator.inputs[1]]) is not None
        ):
            weighted.append((place, code, operator, path))
    ends = {int(o.outputs[0]) for _, _, o, _ in weighted}
    ends |= {int(o.inputs[0]) for _, _, o, _ in weighted}
    tensors = read_graph(quantised).subgraphs[0].tensors
    sqnr_db = _sqnr_db(float_file, quantised, waveforms, ends)
    return [
        LayerNoise(
            layer=layer_of(path, layers),
            operator=_WEIGHTED[code],
            place=place,
            is_int8=tensors[int(operator.outputs[0])].type == schema.TensorType.INT8,
            has_int8_weights=tensors[int(operator.inputs[1])].type
            == schema.TensorType.INT8,
            sqnr_db=sqnr_db[int(operator.outputs[0])],
            added_noise=max(
                0.0,
                _noise(sqnr_db[int(operator.outputs[0])])
                - _noise(sqnr_db[int(operator.inputs[0])]),
            ),
        )
        for place, code, operator, path in weighted
    ]


def _sqnr_db(
    float_file: bytes,
    quantised: bytes,
    waveforms: Sequence[np.ndarray],
    indices: Collection[int],
) -> dict[int, float]:
    """Returns signal over quantisation noise of tensors that both files have."""
    tensors = read_graph(quantised).subgraphs[0].tensors
    signal, noise = dict.fromkeys(indices, 0.0), dict.fromkeys(indices, 0.0)
    both = (trace(file, waveforms, indices) for file in (float_file, quantised))
    for wanted, found in zip(*both, strict=True):
        for index in indices:
            difference = wanted[index] - _real(found[index], tensors[index])
            signal[index] += float(np.square(wanted[index], dtype=np.float64).sum())
            noise[index] += float(np.square(difference, dtype=np.float64).sum())
    return {index: _db(signal[index], noise[index]) for index in indices}


def names_in(path: str, layers: Collection[str] = ()) -> list[str]:
    """Returns the layers that a tensor's path names, the innermost first.

    The converter writes `model/backbone/layer_1/operation`, with a number after a
    name that was taken, and joins the paths of what it fused with `;`.

    Args:
        path: The tensor's name.
        layers: Names of the Keras layers; () takes the one before the operation.
    """
    found: list[str] = []
    for part in path.split(";"):
        steps = part.split("/")[:-1]
        for step in reversed(steps if layers else steps[-1:]):
            plain = re.sub(r"_\d+$", "", step)
            name = step if step in layers else plain
            if not layers or name in layers:
                found.append(name)
    return list(dict.fromkeys(found))


def layer_of(path: str, layers: Collection[str] = ()) -> str:
    """Returns the layer that a tensor comes from, or its path if none is known."""
    return (names_in(path, layers) or [path])[0]


def _noise(sqnr_db: float) -> float:
    return float(10 ** (-sqnr_db / 10))


def _real(values: np.ndarray, tensor: object) -> np.ndarray:
    if values.dtype != np.int8:
        return values
    parameters = tensor.quantization  # type: ignore[attr-defined]
    return (values.astype(np.float32) - parameters.zeroPoint[0]) * parameters.scale[0]


def _db(signal: float, noise: float) -> float:
    if noise <= 0 or signal <= 0:
        return _MAX_DB if noise <= 0 else 0.0
    return float(min(_MAX_DB, 10 * np.log10(signal / noise)))
