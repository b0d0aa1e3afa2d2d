from __future__ import annotations

import keras
import numpy as np
import pytest

from cry_export import static_int8
from cry_export.calibration import ChannelMeans, Observer, Scale
from cry_export.equalization import equalize
from cry_export.errors import ConversionError
from cry_export.layer_noise import layer_of, measure_layers
from cry_export.operators import is_of_front_end, list_operators, read_graph, schema
from cry_export.quantization import apply_recipe
from cry_export.quantization_recipe import get
from cry_export.static_int8 import _shift, choose, quantize_static
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
    for low, high in ((0.0, 6.0), (-3.0, 1.0), (-5.0, -1.0), (2.0, 3.0), (0.0, 0.0)):
        scale = Scale.of_range(low, high)
        assert scale.rounded(np.zeros(1, np.float32))[0] == 0
        values = np.linspace(low, high, 99, dtype=np.float32)
        error = np.abs(scale.rounded(values) - values).max()
        assert error <= 0.51 * scale.scale


def test_rare_loud_values_of_one_clip_are_not_cut(rng):
    """They are what passes on; 4096 values drawn of 400,000 would miss them."""
    observer = Observer(0)
    for _ in range(20):
        observer.see(np.abs(rng.standard_normal(20_000)).astype(np.float32))
    loud = np.zeros(400_000, np.float32)
    loud[:100] = 30.0
    observer.see(loud)
    np.testing.assert_allclose(observer.scale().rounded(loud)[:100], 30.0, rtol=0.05)


@pytest.mark.parametrize("axis", [0, 3])
def test_the_bias_takes_back_what_rounding_does_to_the_mean(rng, axis):
    """NumPy reference: the sums themselves, one position of a 1x1 image at a time."""
    shape = (5, 1, 1, 7) if axis == 0 else (1, 1, 1, 7)  # plain and depthwise
    weights = rng.standard_normal(shape)
    rounded_weights = np.rint(weights * 8) / 8
    heard = np.abs(rng.standard_normal((1000, 7)))
    rounded = np.rint(heard * 4) / 4

    def sums(values, kernel):
        if axis == 0:
            return values @ kernel[:, 0, 0].T
        return values * kernel[0, 0, 0]

    expected = sums(rounded, rounded_weights) - sums(heard, weights)
    means = ChannelMeans(heard.mean(axis=0), rounded.mean(axis=0))
    found = _shift(weights, rounded_weights, axis, means)
    np.testing.assert_allclose(found, expected.mean(axis=0), atol=1e-12)
    assert np.abs(found).max() > 0.001


def test_scores_that_move_too_far_spare_layers_whatever_the_signal(
    tflite, clips, monkeypatch
):
    monkeypatch.setattr(static_int8, "_MIN_SQNR_DB", -200.0)
    monkeypatch.setattr(static_int8, "_MAX_SCORE_DIFFERENCE", 1.0)
    assert not quantize_static(tflite["none"], clips, is_of_front_end).spared
    monkeypatch.setattr(static_int8, "_MAX_SCORE_DIFFERENCE", 1e-9)
    assert quantize_static(tflite["none"], clips, is_of_front_end).spared


def outlier_model(build_model, factor: float) -> keras.Model:
    """One pointwise channel is loud and the depthwise layer behind it takes it back.

    In float it is the model it comes from.
    """
    model = build_model()
    conv, depthwise = model.get_layer("conv"), model.get_layer("depthwise")
    kernel, bias = conv.get_weights()
    kernel[..., 3] *= factor
    bias[3] *= factor
    conv.set_weights([kernel, bias])
    kernel, bias = depthwise.get_weights()
    kernel[:, :, 3] /= factor
    depthwise.set_weights([kernel, bias])
    return model


def test_a_loud_channel_does_not_drown_the_others(
    build_model, convert_once, clips, monkeypatch
):
    loud = convert_once(outlier_model(build_model, 300.0), get("none"), None)
    graph = read_graph(loud)
    chosen = choose(graph, graph.subgraphs[0], is_of_front_end)
    equal = equalize(loud, clips, chosen)
    for clip in clips:  # in float32 the same network
        np.testing.assert_allclose(
            LiteRTModel(equal)(clip), LiteRTModel(loud)(clip), atol=1e-3
        )

    def sqnr_db():
        made = quantize_static(loud, clips, is_of_front_end)
        layers = measure_layers(made.float_file, made.content, clips)
        return next(each.sqnr_db for each in layers if each.layer == "pointwise")

    monkeypatch.setattr(static_int8, "find_noisy", lambda *_: [])
    with_it = sqnr_db()
    monkeypatch.setattr(static_int8, "equalize", lambda tflite, *_: tflite)
    assert with_it > sqnr_db() + 6


def test_layers_stay_float_until_enough_signal_arrives(tflite, clips, monkeypatch):
    monkeypatch.setattr(static_int8, "_MAX_SCORE_DIFFERENCE", 1.0)
    monkeypatch.setattr(static_int8, "_MIN_SQNR_DB", -200.0)
    everything = quantize_static(tflite["none"], clips, is_of_front_end)
    assert everything.spared == ()
    layers = measure_layers(everything.float_file, everything.content, clips)
    reached = next(each.sqnr_db for each in layers if each.layer == "pointwise")
    monkeypatch.setattr(static_int8, "_MIN_SQNR_DB", reached + 10)
    made = quantize_static(tflite["none"], clips, is_of_front_end)
    assert made.spared
    layers = measure_layers(made.float_file, made.content, clips)
    kept = [each for each in layers if each.layer in layer_of(made.spared[0])]
    assert not any(each.is_int8 for each in kept)
    assert next(e.sqnr_db for e in layers if e.layer == "pointwise") > reached


def test_the_same_clips_and_seed_give_the_same_bytes(tflite, clips):
    again = apply_recipe(tflite["none"], get("int8"), clips)
    assert again.content == tflite["int8"]


def test_a_layer_can_be_kept_float(tflite, clips):
    for recipe in ("int8", "dynamic", "float16"):
        made = apply_recipe(
            tflite["none"], get(recipe), clips, keep_float=["pointwise"]
        ).content
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
