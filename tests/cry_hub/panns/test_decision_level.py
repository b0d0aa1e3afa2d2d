"""CNN14 with the heads that decide for each segment, beside PANNs' PyTorch code.

Both originals have the same recipe weights up to their heads, so one CNN14 is built;
what needs no particular weights is checked on a network of a few filters.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

import cry_hub
from cry_hub import porting, registry
from cry_hub.panns import decision_level
from cry_hub.preset import imported

MAX, ATTENTION = "cnn14_decision_max_audioset", "cnn14_decision_att_audioset"
ORIGINALS = {MAX: "Cnn14_DecisionLevelMax", ATTENTION: "Cnn14_DecisionLevelAtt"}
HEADS = (
    decision_level.max_classifier,
    decision_level.attention_classifier,
    decision_level.frame_classifier,
)


def sigmoid(logits: Any) -> np.ndarray:
    return 1 / (1 + np.exp(-np.asarray(logits).astype("float64")))


@pytest.fixture(scope="module")
def checkpoints(original) -> dict[str, dict[str, np.ndarray]]:
    """The tensors of both, once in memory where they are the same."""
    body = original(ORIGINALS[MAX]).tensors()
    other = original(ORIGINALS[ATTENTION]).tensors()
    return {
        MAX: body,
        ATTENTION: {name: body.get(name, tensor) for name, tensor in other.items()},
    }


@pytest.fixture(scope="module")
def cnn14(checkpoints) -> Any:
    return cry_hub.port_weights(MAX, checkpoints[MAX])


def with_head(preset: str, head: str, backbone: Any, tensors: dict) -> Any:
    """Puts the head of a preset on a backbone, and the weights of both into it."""
    model = imported(registry.get(preset).heads[head])(backbone)
    porting.port_tensors(porting.layouts_of(preset, model), tensors, "the original")
    return model


@pytest.mark.parametrize("preset", ORIGINALS)
def test_clip_and_frames_are_those_of_panns(preset, cnn14, checkpoints, original):
    panns = original(ORIGINALS[preset])
    expected, tensors = panns.expected, checkpoints[preset]
    clip_model = with_head(preset, "audioset", cnn14, tensors)
    frame_model = with_head(preset, "frames", cnn14, tensors)
    embeddings = np.asarray(cnn14(panns.waveform))
    assert embeddings.shape == (2, 6, 2048)
    mean = expected["mean_over_time_freq/conv_block6"]
    # Measured: 7e-7
    error = np.abs(embeddings.mean(axis=1) - mean).max() / np.abs(mean).max()
    assert error < 1e-4

    clip = sigmoid(clip_model(panns.waveform))
    frames = np.asarray(frame_model(panns.waveform))
    # Measured: 2e-6, and for the frames
    np.testing.assert_allclose(clip, expected["out/clipwise_output"], atol=1e-4)
    assert frames.shape == (2, 201, 527)
    np.testing.assert_allclose(
        sigmoid(frames), expected["out/framewise_output"], atol=1e-4
    )
    if preset == MAX:  # of the other, only scores were kept
        np.testing.assert_allclose(
            frames[:, : 6 * 32 : 32], expected["logits"], atol=1e-3
        )


@pytest.mark.parametrize("preset", ORIGINALS)
def test_every_tensor_of_a_checkpoint_has_a_place(preset, cnn14, original):
    record, shapes = registry.get(preset), original(ORIGINALS[preset]).shapes
    model = imported(record.heads["audioset"])(cnn14)
    (layout,) = (imported(name)(model) for name in record.layouts)
    assert layout.targets.keys() | layout.fixed.keys() | layout.ignored == set(shapes)
    for name, target in layout.targets.items():
        assert target.shape == shapes[name]
    variables = [id(target.variable) for target in layout.targets.values()]
    assert sorted(variables) == sorted(id(each) for each in model.weights)


@pytest.mark.parametrize("preset", ORIGINALS)
def test_a_checkpoint_serves_every_head_and_none(preset, cnn14, checkpoints):
    tensors = checkpoints[preset]
    record = registry.get(preset)
    for model in (cnn14, imported(record.heads["frames"])(cnn14)):
        (layout,) = (imported(name)(model) for name in record.layouts)
        left = tensors.keys() - layout.targets.keys()
        assert left <= layout.other_heads | layout.ignored
        assert not layout.targets.keys() - tensors.keys()


@pytest.mark.parametrize(
    "name", ["fc1.weight", "att_block.cla.weight", "att_block.att.weight"]
)
def test_a_swapped_transpose_is_noticed(name, cnn14, checkpoints, original):
    panns, tensors = original(ORIGINALS[ATTENTION]), checkpoints[ATTENTION]
    kernel = tensors[name]
    # Units for features: of the convolutions, read in the wrong order.
    swapped = kernel.T if kernel.ndim == 2 else np.reshape(kernel.T, kernel.shape)
    model = with_head(ATTENTION, "audioset", cnn14, {**tensors, name: swapped})
    found, expected = model(panns.waveform), panns.expected["out/clipwise_output"]
    # Measured: 0.18, 0.93 and 0.95
    assert np.abs(sigmoid(found) - expected).max() > 0.1


def test_a_kernel_of_another_layout_is_refused(cnn14, checkpoints):
    tensors = checkpoints[ATTENTION]
    name = "att_block.cla.weight"
    with pytest.raises(
        cry_hub.WeightsError, match=r"cla.weight is \(527, 2048\), not \(527, 2048, 1\)"
    ):
        with_head(
            ATTENTION, "audioset", cnn14, {**tensors, name: tensors[name][:, :, 0]}
        )


@keras.saving.register_keras_serializable(package="test_decision_level")
class Small(cry_hub.CNN10):
    """A network of PANNs with 8 filters a block, a segment every 16 frames."""

    blocks = ((8, True), (8, True), (8, True), (8, True))


@pytest.fixture(scope="module")
def small() -> Any:
    keras.utils.set_random_seed(0)
    return Small()


@pytest.mark.parametrize("head", HEADS)
# Frames around the multiples of 16, and fewer than a segment has.
@pytest.mark.parametrize("count", [3, 16, 31, 32, 63])
def test_padding_never_changes_the_logits(head, count, small, rng):
    model = head(small)
    clip = rng.normal(0, 0.1, (1, count * 320 - 1)).astype("float32")
    together = np.zeros((2, 100 * 320), "float32")
    together[0, : clip.shape[1]] = clip[0]
    together[1] = rng.normal(0, 0.1, together.shape[1])
    alone, found = np.asarray(model(clip))[0], np.asarray(model(together))[0]
    if alone.ndim == 2:
        mask = np.asarray(decision_level.frame_mask(small)(together))
        assert mask.shape == (2, 101)
        found = found[mask[0]]
    assert found.shape == alone.shape
    # float32 in another order of summing, of logits around 1
    np.testing.assert_allclose(found, alone, atol=2e-5)


@pytest.mark.parametrize("head", HEADS)
def test_it_is_saved_and_reloaded_by_plain_keras(head, small, rng, tmp_path):
    model = head(small)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    waveform = rng.normal(0, 0.1, (1, 20_000)).astype("float32")
    np.testing.assert_array_equal(again(waveform), model(waveform))


def test_tflite_of_any_length_says_the_same_in_builtin_ops(small, rng, tmp_path):
    waveform = keras.Input((None,), name="waveform")
    model: Any = keras.Model(waveform, [head(small)(waveform) for head in HEADS])
    model.export(
        tmp_path / "saved",
        "tf_saved_model",
        verbose=False,
        input_signature=[tf.TensorSpec((1, None), tf.float32, name="waveform")],
    )
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "saved"))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    interpreter = Interpreter(model_content=converter.convert(), num_threads=1)
    run = interpreter.get_signature_runner()
    for samples, real in ((24_000, 24_000), (3_000, 3_000), (40_123, 20_000)):
        clip = np.zeros((1, samples), "float32")
        clip[0, :real] = rng.normal(0, 0.1, real)
        found = run(waveform=clip)
        for number, expected in enumerate(model(clip)):
            np.testing.assert_allclose(found[f"output_{number}"], expected, atol=1e-4)


def test_saved_weights_with_attention_fit_a_backbone_and_frames(small, monkeypatch):
    monkeypatch.setattr(Small, "head_layers", cry_hub.CNN14.head_layers)
    model = decision_level.attention_classifier(small)
    saved = {
        f"{layer.name}/{variable.name}": np.asarray(variable)
        for layer in (*small.layers, *model.layers)
        if layer is not small
        for variable in layer.weights
    }
    backbone = Small()
    for again in (backbone, decision_level.frame_classifier(backbone)):
        porting.port_tensors((porting.native_layout(again),), saved, "the file")
    for layer in (backbone.get_layer("conv_block1_conv1"), again.get_layer("logits")):
        np.testing.assert_array_equal(layer.kernel, saved[f"{layer.name}/kernel"])


def test_the_presets_have_both_heads():
    for preset in ORIGINALS:
        record = registry.get(preset)
        assert set(record.heads) == {"audioset", "frames"}
        assert len(record.labels) == 527
