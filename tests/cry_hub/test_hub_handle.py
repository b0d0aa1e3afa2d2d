"""Published programs as frozen backbones, on SavedModels with their signatures."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import cry_hub
from cry_lite.front_ends import VGGISH, YAMNET
from cry_lite.log_mel import num_steps

from .hub_programs import (
    PATCH,
    VGGISH_HOP,
    WAVEFORM,
    YAMNET_HOP,
    clip,
    save,
)

LENGTHS = (
    *(1, 399, 400, PATCH - 1, PATCH, PATCH + 1),
    *(PATCH + YAMNET_HOP, PATCH + YAMNET_HOP + 1),
    *(PATCH + VGGISH_HOP - 1, PATCH + VGGISH_HOP, 50_001),
)


class NativeYAMNet(tf.Module):
    """Our own network under the signature of the hub."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone
        self.kept = [variable.value for variable in backbone.weights]

    @tf.function(input_signature=[WAVEFORM])
    def __call__(self, waveform):
        embeddings = self.backbone(waveform[None])[0]
        scores = tf.zeros((tf.shape(embeddings)[0], 521))
        return scores, embeddings, tf.zeros((96, 64))


@pytest.fixture(scope="module", params=["yamnet", "vggish"])
def family(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def backbone(handles, family):
    return cry_hub.HubBackbone(handles[family], family)


def padded(clips) -> np.ndarray:
    batch = np.zeros((len(clips), max(map(len, clips)) + 3_333), "float32")
    for row, each in zip(batch, clips, strict=True):
        row[: len(each)] = each
    return batch


@pytest.mark.parametrize(
    "weights", ["random", pytest.param("real", marks=pytest.mark.assets)]
)
def test_it_gives_what_the_native_network_gives(weights, request, rng, tmp_path):
    if weights == "real":
        folder = request.getfixturevalue("assets") / "weights" / "yamnet"
        file = folder / "yamnet_reconstructed_folded_f32.npz"
        native = cry_hub.load("yamnet_audioset", weights=file)
    else:
        keras.utils.set_random_seed(0)
        native = cry_hub.YAMNet()
    handle = save(NativeYAMNet(native), tmp_path / "yamnet")
    backbone = cry_hub.HubBackbone(handle, "yamnet")
    assert backbone.embedding_features == 1024
    waveforms = padded([clip(rng, samples) for samples in (40_000, 9_000, 20_000)])
    mask = np.asarray(native.time_mask()(waveforms))
    expected = np.asarray(native(waveforms))[mask]
    found = backbone.predict(waveforms, verbose=0)[mask]
    # float32 in another order of summing. Measured: 2e-6
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.std(expected) > 0.01


def test_it_keeps_the_interface(backbone, family, handles):
    assert isinstance(backbone, cry_hub.Backbone)
    assert backbone.name == f"hub_{family}"
    assert backbone.front_end_spec == {"yamnet": YAMNET, "vggish": VGGISH}[family]
    features = {"yamnet": 6, "vggish": 5}[family]
    assert backbone.embedding_features == features
    assert backbone.output.shape == (None, None, features)
    assert backbone.weights_source == f"the SavedModel of {handles[family]}"


@pytest.mark.parametrize("samples", LENGTHS)
def test_the_time_axis_is_that_of_the_mask(backbone, family, handles, samples, rng):
    waveform = clip(rng, samples)
    embeddings = np.asarray(backbone(waveform[None]))[0]
    assert len(embeddings) == num_steps(samples, backbone.front_end_spec)
    assert np.asarray(backbone.time_mask()(waveform[None])).sum() == len(embeddings)
    program = tf.saved_model.load(handles[family])
    if family == "vggish":
        assert len(program(waveform)) == (0 if samples < PATCH else len(embeddings))
        waveform = np.pad(waveform, (0, max(0, PATCH - samples)))
    expected = program(waveform)
    expected = expected[1] if family == "yamnet" else expected
    # The same program on the same numbers; a product of another number of rows may
    # be summed in another order.
    np.testing.assert_allclose(embeddings, expected, atol=1e-5)


def test_padding_never_changes_an_embedding(backbone, rng):
    clips = [clip(rng, samples) for samples in LENGTHS]
    together = padded(clips)
    mask = np.asarray(backbone.time_mask()(together))
    for run in (backbone, lambda batch: backbone.predict(batch, verbose=0)):
        rows = np.asarray(run(together))
        assert rows.shape[:2] == mask.shape
        for row, real, waveform in zip(rows, mask, clips, strict=True):
            alone = np.asarray(backbone(waveform[None]))[0]
            np.testing.assert_allclose(row[real], alone, atol=1e-5)
            assert not row[~real].any()


@pytest.mark.parametrize("samples", [1, PATCH, 40_000])
def test_silence_has_one_finite_answer(backbone, samples):
    silence = np.zeros((2, samples), "float32")
    first = np.asarray(backbone(silence))[:, 0]
    assert np.isfinite(first).all()
    alone = np.asarray(backbone(np.zeros((1, PATCH), "float32")))[0]
    np.testing.assert_allclose(first, np.repeat(alone, 2, axis=0), atol=1e-6)
    full_scale = np.tile(np.float32([1, 1, -1, -1]), 5_000)[None]
    assert np.isfinite(backbone(full_scale)).all()


def test_other_floats_are_taken_and_all_else_is_refused(backbone, rng):
    waveform = clip(rng, 20_000)[None]
    expected = np.asarray(backbone(waveform))
    program = backbone.get_layer("program")
    double = program(tf.constant(waveform.astype("float64")))
    assert double.dtype == tf.float32
    np.testing.assert_allclose(double, expected, atol=1e-5)
    for wrong in (waveform[0], waveform.astype("int16"), waveform[:, :0]):
        with pytest.raises(ValueError, match="takes float waveforms of shape"):
            program(wrong)


def test_nothing_in_it_is_trained(backbone, rng):
    waveform = clip(rng, 40_000)[None]
    backbone.trainable = True
    assert backbone.weights == []
    inference = np.asarray(backbone(waveform))
    np.testing.assert_array_equal(backbone(waveform, training=True), inference)
    given = tf.constant(waveform)
    with tf.GradientTape() as tape:
        tape.watch(given)
        total = tf.reduce_sum(backbone(given))
    inside = tape.watched_variables()  # the program's own
    assert len(inside) == 1
    assert tape.gradient(total, [given, *inside]) == [None, None]


def test_mixed_bfloat16_rounds_the_output_alone(backbone, handles, family, rng):
    mixed = cry_hub.HubBackbone(handles[family], family, dtype="mixed_bfloat16")
    waveform = clip(rng, 40_000)[None]
    found = mixed(waveform)
    assert found.dtype == "bfloat16"
    np.testing.assert_array_equal(found, tf.cast(backbone(waveform), tf.bfloat16))
    again = cry_hub.HubBackbone.from_config(mixed.get_config())
    assert again(waveform).dtype == "bfloat16"


def test_it_is_saved_and_reloaded_by_plain_keras(backbone, family, rng, tmp_path):
    path = tmp_path / "backbone.keras"
    backbone.save(path)
    again = keras.saving.load_model(path)
    assert type(again) is cry_hub.HubBackbone
    assert again.get_config() == backbone.get_config()
    waveform = clip(rng, 40_000)[None]
    np.testing.assert_array_equal(again(waveform), backbone(waveform))
    # It holds the handle, not the program.
    assert path.stat().st_size < 50_000
