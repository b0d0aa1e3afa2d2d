from __future__ import annotations

import keras
import numpy as np
import pytest

from cry_export.convert import to_tflite
from cry_export.dynamic_range import quantize_weights
from cry_export.errors import ConversionError
from cry_export.operators import list_operators, read_graph
from cry_export.quantization_recipe import get


def weight_types(tflite: bytes) -> dict[str, str]:
    """Path -> type of the weights of every operator that has any.

    Weights in float16 are no constant of their operator, but of a DEQUANTIZE.
    """
    named = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
    return {
        operator.path: next(
            (each.dtype for each in operator.constants if len(each.shape) > 1),
            "float16",
        )
        for operator in list_operators(tflite)
        if operator.name in named
    }


def test_convolutions_and_dense_layers_become_int8(tflite):
    types = weight_types(tflite["dynamic"])
    assert {p.split("/")[1] for p, kind in types.items() if kind == "int8"} == {
        "pointwise_1",
        "embedding_1",
    }


def test_depthwise_and_small_weights_stay_float(tflite):
    types = {
        path.split("/")[1]: t for path, t in weight_types(tflite["dynamic"]).items()
    }
    assert types["depthwise_1"] == "float32"
    assert types["conv_1"] == "float32"  # 16 x 5 x 5 x 1 = 400 weights
    assert types["logits_1"] == "float32"


def test_no_constant_of_the_front_end_is_quantised(tflite):
    def front_end(recipe):
        return [o for o in list_operators(tflite[recipe]) if o.is_front_end]

    assert front_end("dynamic") == front_end("none")
    kinds = {c.dtype for o in front_end("dynamic") for c in o.constants}
    assert kinds <= {"float32", "int32"}


def test_a_large_matrix_stays_float_in_the_front_end_only():
    """The size thresholds alone would not spare a mel matrix in one piece."""
    waveform = keras.Input((800,), name="waveform")
    x = keras.layers.Dense(64, name="frontend")(waveform)
    x = keras.layers.Dense(400, name="hidden")(x)
    x = keras.layers.Dense(2, name="logits")(x)  # 2 x 400 weights: too few
    model = keras.Model(waveform, keras.layers.Activation("softmax")(x), name="big")
    types = weight_types(to_tflite(model, get("dynamic"), 800))
    assert {path.split("/")[1]: kind for path, kind in types.items()} == {
        "frontend_1": "float32",
        "hidden_1": "int8",
        "logits_1": "float16",
    }


@pytest.mark.parametrize(("largest", "halved"), [(1.0, ["float16"]), (7e4, [])])
def test_depthwise_weights_that_float16_can_hold_become_float16(largest, halved, rng):
    waveform = keras.Input((64,), name="waveform")
    x = keras.layers.Dense(64, name="frontend")(waveform)
    x = keras.layers.Reshape((8, 8, 1))(x)
    x = keras.layers.Conv2D(64, 1, name="conv")(x)
    depthwise = keras.layers.DepthwiseConv2D(3, name="depthwise")
    x = keras.layers.GlobalAveragePooling2D()(depthwise(x))
    model = keras.Model(waveform, x)
    kernel = rng.uniform(-1, 1, (3, 3, 64, 1))
    kernel[0, 0, 0, 0] = largest
    depthwise.set_weights([kernel, np.zeros(64)])
    operators = list_operators(to_tflite(model, get("dynamic"), 64))
    assert halved == [
        operator.constants[0].dtype
        for operator in operators
        if operator.name == "DEQUANTIZE"
    ]


def test_int8_weights_are_the_rounded_float_weights(tflite):
    """NumPy reference: symmetric, one scale an output channel, 127 levels a side."""

    def weights(recipe):
        graph = read_graph(tflite[recipe])
        tensor = next(
            t
            for t in graph.subgraphs[0].tensors
            if b"embedding_1/MatMul" in t.name
            and t.shape is not None
            and list(t.shape) == [32, 1024]
        )
        raw = bytes(graph.buffers[tensor.buffer].data)
        return tensor, raw

    _, raw = weights("none")
    values = np.frombuffer(raw, "<f4").reshape(32, 1024)
    scale = np.abs(values).max(axis=1) / 127
    tensor, raw = weights("dynamic")
    levels = np.frombuffer(raw, np.int8).reshape(32, 1024)
    np.testing.assert_allclose(tensor.quantization.scale, scale, rtol=1e-6)
    assert np.abs(levels * scale[:, None] - values).max() <= scale.max() * 0.5001
    assert np.abs(levels).max() == 127


def test_the_file_is_smaller_and_its_constants_are_inside_the_flatbuffer(tflite):
    assert len(tflite["dynamic"]) < len(tflite["none"])
    assert all(buffer.offset == 0 for buffer in read_graph(tflite["dynamic"]).buffers)


def test_the_operators_ask_for_the_runtime_that_knows_them(tflite):
    graph = read_graph(tflite["dynamic"])
    versions = {(c.builtinCode, c.version) for c in graph.operatorCodes}
    # CONV_2D is 3, FULLY_CONNECTED 9; the float ones keep their old versions.
    assert {(3, 5), (9, 12), (3, 1), (9, 1)} <= versions
    minimum = next(m for m in graph.metadata if m.name == b"min_runtime_version")
    assert bytes(graph.buffers[minimum.buffer].data).startswith(b"2.17.0")


def test_a_channel_of_zeros_stays_zeros(model):
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    kernel, bias = twin.get_layer("embedding").get_weights()
    kernel[:, 3] = 0
    twin.get_layer("embedding").set_weights([kernel, bias])
    tflite = to_tflite(twin, get("dynamic"), None)
    graph = read_graph(tflite)
    for tensor in graph.subgraphs[0].tensors:
        if tensor.quantization is not None and tensor.quantization.scale is not None:
            assert np.all(np.isfinite(tensor.quantization.scale))
            assert np.all(tensor.quantization.scale > 0)


def test_weights_that_diverged_are_refused(model):
    twin = keras.models.clone_model(model)
    kernel, bias = twin.get_layer("embedding").get_weights()
    kernel[0, 0] = np.nan
    twin.get_layer("embedding").set_weights([kernel, bias])
    with pytest.raises(ConversionError, match="finite.*embedding"):
        to_tflite(twin, get("dynamic"), None)


def test_a_front_end_that_cannot_be_found_is_refused():
    waveform = keras.Input((800,), name="waveform")
    model = keras.Model(waveform, keras.layers.Dense(4)(waveform))
    with pytest.raises(ConversionError, match="'frontend'"):
        quantize_weights(to_tflite(model, get("none"), 800))
