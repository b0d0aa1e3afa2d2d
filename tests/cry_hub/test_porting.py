"""Tensors find their place by name, or nothing is written at all."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import cry_hub
from cry_hub import porting, registry
from cry_hub.yamnet.porting import folded_layout


@pytest.fixture(scope="module")
def yamnet_tensors():
    """Random tensors with the names and shapes of a folded YAMNet."""
    rng = np.random.default_rng(0)
    layout = folded_layout(registry.get("yamnet_audioset").build("audioset"))
    return {
        name: rng.normal(0, 0.1, target.shape).astype("float32")
        for name, target in layout.targets.items()
    }


def refused(tensors, head="audioset"):
    with pytest.raises(cry_hub.WeightsError) as error:
        cry_hub.port_weights("yamnet_audioset", tensors, head)
    return str(error.value)


def test_a_folded_layer_is_its_convolution_plus_bias(yamnet_tensors, rng):
    model = cry_hub.port_weights("yamnet_audioset", yamnet_tensors)
    for layer, depthwise in (
        ("layer1/conv", False),
        ("layer7/depthwise_conv", True),
        ("layer7/pointwise_conv", False),
    ):
        kernel = yamnet_tensors[f"{layer}/kernel"]
        bias = yamnet_tensors[f"{layer}/bias"]
        name = layer.replace("/", "_")
        conv, norm = model.get_layer(name), model.get_layer(f"{name}_bn")
        inputs = rng.normal(size=(2, 7, 7, kernel.shape[2])).astype("float32")
        computed = norm(conv(inputs))
        # The output at (1, 1) of a "same" convolution, from its definition.
        height, width = kernel.shape[:2]
        stride = conv.strides[0]
        before = max((-(-7 // stride) - 1) * stride + height - 7, 0) // 2
        start = stride - before
        window = inputs[:, start : start + height, start : start + width]
        if depthwise:
            expected = np.einsum("nhwc,hwc->nc", window, kernel[..., 0])
        else:
            expected = np.einsum("nhwc,hwcd->nd", window, kernel)
        # float32 sums of up to 256 products
        np.testing.assert_allclose(computed[:, 1, 1], expected + bias, atol=1e-5)


def test_every_source_tensor_has_one_place(yamnet_tensors):
    model = cry_hub.port_weights("yamnet_audioset", yamnet_tensors, "audioset")
    layout = folded_layout(model)
    variables = [id(target.variable) for target in layout.targets.values()]
    constants = [id(variable) for variable, _ in layout.constants]
    assert len(yamnet_tensors) == 2 * (1 + 13 * 2) + 2
    assert sorted(variables + constants) == sorted(id(each) for each in model.weights)


def test_a_missing_tensor_is_named(yamnet_tensors):
    tensors = dict(yamnet_tensors)
    del tensors["layer9/pointwise_conv/bias"]
    assert "layer9/pointwise_conv/bias (512,) is missing" in refused(tensors)


def test_an_unused_tensor_is_named(yamnet_tensors):
    tensors = {**yamnet_tensors, "layer15/conv/kernel": np.zeros((2, 2), "float32")}
    assert "layer15/conv/kernel (2, 2) has no place" in refused(tensors)


def test_a_misshaped_tensor_is_named(yamnet_tensors):
    tensors = dict(yamnet_tensors)
    # As PyTorch has it: out, in, kh, kw.
    tensors["layer1/conv/kernel"] = tensors["layer1/conv/kernel"].transpose(3, 2, 0, 1)
    assert "layer1/conv/kernel is (32, 1, 3, 3), not (3, 3, 1, 32)" in refused(tensors)


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (np.full(521, np.nan, "float32"), "NaN or infinity"),
        (np.full(521, np.inf, "float32"), "NaN or infinity"),
        (np.zeros(521, "int8"), "int8, not floats"),
        (np.array(["a"] * 521), "not floats"),
    ],
)
def test_what_is_no_finite_float_is_named(yamnet_tensors, value, fault):
    assert fault in refused({**yamnet_tensors, "dense/bias": value})


def test_the_head_is_needed_only_with_the_head(yamnet_tensors):
    body = {
        name: tensor
        for name, tensor in yamnet_tensors.items()
        if not name.startswith("dense")
    }
    from_all = cry_hub.port_weights("yamnet_audioset", yamnet_tensors)
    from_body = cry_hub.port_weights("yamnet_audioset", body)
    for one, other in zip(from_all.weights, from_body.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    assert "dense/kernel (1024, 521) is missing" in refused(body)


def test_many_faults_are_counted_and_not_all_listed(yamnet_tensors):
    message = refused({"layer1/conv/kernel": yamnet_tensors["layer1/conv/kernel"]})
    assert "and 47 more" in message
    assert "Nothing was used" in message


def test_nothing_is_written_when_something_is_wrong():
    model = registry.get("ds_cnn_s").build()
    layout = porting.native_layout(model)
    tensors = {name: np.asarray(t.variable) + 1 for name, t in layout.targets.items()}
    tensors["conv/kernel"] = np.zeros((1, 1))
    before = [np.asarray(each) for each in model.weights]
    with pytest.raises(cry_hub.WeightsError):
        porting.port_tensors((layout,), tensors, "here")
    for old, new in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(old, new)


def test_float64_and_float16_tensors_are_taken():
    model = registry.get("ds_cnn_s").build()
    tensors = {
        name: np.asarray(target.variable).astype(kind)
        for (name, target), kind in zip(
            porting.native_layout(model).targets.items(),
            ["float64", "float16"] * 200,
            strict=False,
        )
    }
    again = cry_hub.port_weights("ds_cnn_s", tensors)
    for old, new in zip(model.weights, again.weights, strict=True):
        # float16 has 11 bits, and steps of 6e-8 near zero
        np.testing.assert_allclose(old, new, rtol=1e-3, atol=6e-8)


def test_saved_weights_of_a_backbone_with_its_head_come_back(tmp_path, rng):
    model = registry.get("yamnet_audioset").build("audioset")
    path = cry_hub.save_npz(model, tmp_path / "all.npz")
    again = cry_hub.load("yamnet_audioset", weights=path, head="audioset")
    waveform = rng.normal(0, 0.1, (1, 16_000)).astype("float32")
    np.testing.assert_array_equal(again(waveform), model(waveform))
    backbone = cry_hub.load("yamnet_audioset", weights=path)
    np.testing.assert_array_equal(
        backbone(waveform), model.get_layer("yamnet")(waveform)
    )


def test_a_saved_file_is_whole_and_never_overwritten(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, name="dense")])
    path = cry_hub.save_npz(model, tmp_path / "weights.npz")
    with np.load(path) as arrays:
        assert {name: arrays[name].shape for name in arrays.files} == {
            "dense/kernel": (2, 3),
            "dense/bias": (3,),
        }
    with pytest.raises(FileExistsError, match="not overwritten"):
        cry_hub.save_npz(model, path)
    with pytest.raises(ValueError, match=r"must end in \.npz"):
        cry_hub.save_npz(model, tmp_path / "weights.h5")
    assert [each.name for each in tmp_path.iterdir()] == ["weights.npz"]
