from __future__ import annotations

import keras
import numpy as np
import pytest

from cry_export.calibration import Scale, find_ranges
from cry_export.errors import ConversionError
from cry_export.layer_noise import layer_of
from cry_export.operators import is_of_front_end, list_operators, read_graph, schema
from cry_export.quantization import apply_recipe
from cry_export.quantization_recipe import get
from cry_export.static_int8 import quantize_static
from cry_lite.interpreter import LiteRTModel

WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def operators(content: bytes, *names: str):
    return [o for o in list_operators(content) if o.name in names]


def test_convolutions_compute_on_int8_and_the_rest_stays_float(tflite):
    graph = read_graph(tflite["int8"])
    tensors = graph.subgraphs[0].tensors
    kinds = {}
    for operator in graph.subgraphs[0].operators:
        code = graph.operatorCodes[operator.opcodeIndex].builtinCode
        heard = tensors[operator.inputs[0]].type
        kinds.setdefault(code, set()).add(heard)
    int8, float32 = {schema.TensorType.INT8}, {schema.TensorType.FLOAT32}
    assert kinds[schema.BuiltinOperator.CONV_2D] == int8
    assert kinds[schema.BuiltinOperator.DEPTHWISE_CONV_2D] == int8
    assert kinds[schema.BuiltinOperator.FULLY_CONNECTED] == float32
    assert kinds[schema.BuiltinOperator.SOFTMAX] == float32
    ends = [*graph.subgraphs[0].inputs, *graph.subgraphs[0].outputs]
    assert {tensors[i].type for i in ends} == float32


def test_no_operator_of_the_front_end_is_touched(tflite):
    def front_end(recipe):
        return [o for o in list_operators(tflite[recipe]) if o.is_front_end]

    assert front_end("int8") == front_end("none")
    assert front_end("float16") == front_end("none")


@pytest.mark.parametrize(("recipe", "tolerance"), [("float16", 2e-3), ("int8", 0.15)])
def test_the_file_answers_as_the_float_one(tflite, clips, recipe, tolerance):
    before, after = LiteRTModel(tflite["none"]), LiteRTModel(tflite[recipe])
    for clip in clips:
        np.testing.assert_allclose(after(clip), before(clip), atol=tolerance)


def test_float16_weights_are_the_rounded_float_weights_at_half_the_bytes(tflite):
    """NumPy reference: round to nearest float16."""

    def weights(recipe, dtype):
        graph = read_graph(tflite[recipe])
        found = {}
        for tensor in graph.subgraphs[0].tensors:
            data = graph.buffers[tensor.buffer].data
            shape = [] if tensor.shape is None else list(tensor.shape)
            if shape == [32, 1024] and data is not None:
                found[tensor.name] = np.frombuffer(bytes(data), dtype)
        return found

    expected, halved = weights("none", "<f4"), weights("float16", "<f2")
    assert expected.keys() == halved.keys() != set()
    for name, values in expected.items():
        np.testing.assert_array_equal(halved[name], values.astype(np.float16))
    assert len(tflite["float16"]) < len(tflite["none"]) - 60_000


def test_a_scale_holds_zero_exactly_and_its_range_to_half_a_step():
    def rounded(scale, values):
        return (scale.levels(values).astype(float) - scale.zero_point) * scale.scale

    for low, high in ((0.0, 6.0), (-3.0, 1.0), (-5.0, -1.0), (2.0, 3.0), (0.0, 0.0)):
        scale = Scale.of_range(low, high)
        assert rounded(scale, np.zeros(1))[0] == 0
        values = np.linspace(low, high, 99)
        error = np.abs(rounded(scale, values) - values).max()
        assert error <= 0.51 * scale.scale


def test_ranges_are_those_of_all_clips(tflite):
    """NumPy reference: the waveforms, which are the tensor that is looked at."""
    index = int(read_graph(tflite["none"]).subgraphs[0].inputs[0])
    clips = [np.full(800, 0.25, np.float32), np.full(1600, -0.5, np.float32)]
    assert find_ranges(tflite["none"], clips, [index]) == {index: (-0.5, 0.25)}


@pytest.mark.parametrize("place", [0, 1])
def test_an_activation_that_is_not_finite_is_refused(tflite, clips, place):
    broken = [clip.copy() for clip in clips[:2]]
    broken[place][100] = np.nan
    with pytest.raises(ConversionError, match="Activations must be finite"):
        quantize_static(tflite["none"], broken, is_of_front_end)


def test_the_same_clips_give_the_same_bytes(tflite, clips):
    again = apply_recipe(tflite["none"], get("int8"), clips)
    assert again == tflite["int8"]


def test_a_layer_can_be_kept_float(tflite, clips):
    for recipe in ("int8", "dynamic", "float16"):
        made = apply_recipe(
            tflite["none"], get(recipe), clips, keep_float=["pointwise"]
        )
        kept = next(o for o in operators(made, *WEIGHTED) if "pointwise" in o.path)
        assert kept.constants[0].dtype == "float32"


def test_a_layer_that_is_not_there_is_named_beside_those_that_are(tflite, clips):
    with pytest.raises(ValueError, match="conv, depthwise.*Received: dense7"):
        apply_recipe(tflite["none"], get("int8"), clips, keep_float=["dense7"])


def test_without_representative_clips_int8_is_refused(tflite):
    with pytest.raises(ValueError, match="representative clips of the training data"):
        apply_recipe(tflite["none"], get("int8"))


def test_a_network_without_convolutions_is_told_to_take_another_recipe(clips):
    waveform = keras.Input((800,), name="waveform")
    x = keras.layers.Dense(64, name="frontend")(waveform)
    model = keras.Model(waveform, keras.layers.Dense(2, name="logits")(x))
    from cry_export.convert import to_tflite

    with pytest.raises(ConversionError, match="--quantize dynamic"):
        to_tflite(model, get("int8"), 800, clips)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("m_1/net_1/conv_1/convolution;m_1/net_1/bn_1/sub", "conv"),
        ("m_1/net_1/bn_1/sub;m_1/net_1/conv_1/convolution", "conv"),
        ("m_1/block_2_1/MatMul", "block_2"),
        ("m_1/block_2/MatMul", "block_2"),
    ],
)
def test_a_layer_is_found_in_the_path_of_its_tensor(path, expected):
    assert layer_of(path, ("conv", "block_2")) == expected
