"""Published programs as frozen backbones, on SavedModels with their signatures."""

from __future__ import annotations

import os
import subprocess
import sys
import types
import urllib.error
from hashlib import sha1

import keras
import numpy as np
import pytest
import tensorflow as tf

import cry_hub
from cry_hub.hub_handle import HubProgram
from cry_lite.front_ends import VGGISH, YAMNET
from cry_lite.log_mel import num_steps

WAVEFORM = tf.TensorSpec([None], tf.float32)
PATCH, YAMNET_HOP, VGGISH_HOP = 15_600, 7_680, 15_360
URL = "https://tfhub.dev/google/yamnet/1"
LENGTHS = (
    *(1, 399, 400, PATCH - 1, PATCH, PATCH + 1),
    *(PATCH + YAMNET_HOP, PATCH + YAMNET_HOP + 1),
    *(PATCH + VGGISH_HOP - 1, PATCH + VGGISH_HOP, 50_001),
)


def log_spectrum(waveform):
    frames = tf.signal.frame(waveform, 400, 160) * tf.signal.hann_window(400)
    return tf.math.log(tf.abs(tf.signal.rfft(frames, [512]))[:, :16] + 0.01)


class TinyProgram(tf.Module):
    def __init__(self, features):
        super().__init__()
        kernel = np.random.default_rng(0).normal(0, 0.03, (96 * 16, features))
        self.kernel = tf.Variable(kernel.astype("float32"))

    def embed(self, waveform, hop_frames):
        patches = tf.signal.frame(log_spectrum(waveform), 96, hop_frames, axis=0)
        return tf.matmul(tf.reshape(patches, (-1, 96 * 16)), self.kernel)


class TinyVGGish(TinyProgram):
    """As on the hub: the tail is left out, and below 0.975 s nothing is left."""

    @tf.function(input_signature=[WAVEFORM])
    def __call__(self, waveform):
        return self.embed(waveform, 96)


class TinyYAMNet(TinyProgram):
    """As on the hub: completed with zeros to whole patches; three outputs."""

    @tf.function(input_signature=[WAVEFORM])
    def __call__(self, waveform):
        samples = tf.maximum(tf.size(waveform), PATCH)
        hops = -(-(samples - PATCH) // YAMNET_HOP)
        samples = PATCH + hops * YAMNET_HOP
        waveform = tf.pad(waveform, [[0, samples - tf.size(waveform)]])
        embeddings = self.embed(waveform, 48)
        scores = tf.sigmoid(embeddings[:, :3])
        return scores, embeddings, log_spectrum(waveform)


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


@pytest.fixture(scope="module")
def handles(tmp_path_factory) -> dict[str, str]:
    """A SavedModel of each family, by its name."""
    folder = tmp_path_factory.mktemp("handles")
    for name, program in (("yamnet", TinyYAMNet(6)), ("vggish", TinyVGGish(5))):
        tf.saved_model.save(program, str(folder / name))
    return {name: str(folder / name) for name in ("yamnet", "vggish")}


@pytest.fixture(scope="module", params=["yamnet", "vggish"])
def family(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def backbone(handles, family):
    return cry_hub.HubBackbone(handles[family], family)


def clip(rng, samples: int) -> np.ndarray:
    waveform = rng.normal(0, 0.1, samples).astype("float32")
    waveform[-1] = 0.1
    return waveform


def padded(clips) -> np.ndarray:
    batch = np.zeros((len(clips), max(map(len, clips)) + 3_333), "float32")
    for row, each in zip(batch, clips, strict=True):
        row[: len(each)] = each
    return batch


def save(program, path) -> str:
    tf.saved_model.save(program, str(path))
    return str(path)


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


def test_a_saved_model_says_which_folder_is_gone(tmp_path):
    handle = save(TinyVGGish(5), tmp_path / "vggish")
    cry_hub.HubBackbone(handle, "vggish").save(tmp_path / "backbone.keras")
    (tmp_path / "vggish").rename(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match=f"Received: {handle}, which is no"):
        keras.saving.load_model(tmp_path / "backbone.keras")


def test_a_relative_folder_is_found_from_anywhere(handles, monkeypatch):
    folder = os.path.dirname(handles["vggish"])
    monkeypatch.chdir(folder)
    backbone = cry_hub.HubBackbone("vggish", "vggish")
    assert backbone.get_config()["handle"] == handles["vggish"]


def test_what_a_program_cannot_do_is_refused(handles):
    with pytest.raises(ValueError, match="cutoff_hz must be None for a handle.*4000"):
        cry_hub.HubBackbone(handles["yamnet"], "yamnet", cutoff_hz=4000.0)
    with pytest.raises(ValueError, match="one of yamnet, vggish.*family='panns'"):
        cry_hub.HubBackbone(handles["yamnet"], "panns")


class EmbeddingsAlone(TinyYAMNet):
    @tf.function(input_signature=[WAVEFORM])
    def __call__(self, waveform):
        return {"embeddings": super().__call__(waveform)[1]}


class OneLength(TinyVGGish):
    @tf.function(input_signature=[tf.TensorSpec([PATCH], tf.float32)])
    def __call__(self, waveform):
        return self.embed(waveform, 96)


class MeanOverTime(TinyVGGish):
    @tf.function(input_signature=[WAVEFORM])
    def __call__(self, waveform):
        return tf.reduce_mean(super().__call__(waveform), axis=0)


class Uncallable(TinyProgram):
    @tf.function(input_signature=[WAVEFORM])
    def serve(self, waveform):
        return waveform


@pytest.mark.parametrize(
    ("kind", "family", "found"),
    [
        (TinyVGGish, "yamnet", "it gives one tensor"),
        (TinyYAMNet, "vggish", "it gives 3 outputs"),
        (EmbeddingsAlone, "vggish", "it gives dict"),
        (EmbeddingsAlone, "yamnet", "it gives dict"),
        (OneLength, "vggish", "15600"),
        (MeanOverTime, "vggish", "embeddings (5,) for a waveform of 1 patches"),
        (Uncallable, "vggish", "not callable"),
    ],
)
def test_a_program_of_another_signature_is_refused(kind, family, found, tmp_path):
    handle = save(kind(5), tmp_path / "program")
    with pytest.raises(cry_hub.WeightsError, match="one row a patch") as refused:
        cry_hub.HubBackbone(handle, family)
    assert found in str(refused.value)
    assert handle in str(refused.value)
    assert len(str(refused.value)) < 600


def test_a_program_that_loses_patches_later_is_noticed(rng, tmp_path):
    class Forgetful(TinyVGGish):
        @tf.function(input_signature=[WAVEFORM])
        def __call__(self, waveform):
            return self.embed(waveform, 96)[:2]

    backbone = cry_hub.HubBackbone(save(Forgetful(5), tmp_path / "program"), "vggish")
    waveform = clip(rng, PATCH + 2 * VGGISH_HOP)[None]
    for run in (backbone, lambda batch: backbone.predict(batch, verbose=0)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="one row a patch"):
            run(waveform)


def test_a_folder_that_is_no_saved_model_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="must be the folder of a SavedModel"):
        cry_hub.HubBackbone(str(tmp_path / "absent"), "yamnet")
    with pytest.raises(cry_hub.WeightsError, match="must lead to a SavedModel"):
        cry_hub.HubBackbone(str(tmp_path), "yamnet")
    (tmp_path / "saved_model.pb").write_bytes(b"<html>Not found</html>")
    with pytest.raises(cry_hub.WeightsError, match="must lead to a SavedModel"):
        cry_hub.HubBackbone(str(tmp_path), "yamnet")


def test_a_truncated_saved_model_is_refused(tmp_path):
    save(TinyVGGish(5), tmp_path)
    (data,) = (tmp_path / "variables").glob("*.data-*")
    data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(cry_hub.WeightsError, match="must lead to a SavedModel"):
        cry_hub.HubBackbone(str(tmp_path), "vggish")


def stand_in(monkeypatch, load) -> None:
    module = types.ModuleType("tensorflow_hub")
    module.load = load  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tensorflow_hub", module)


def test_a_url_is_left_to_tensorflow_hub(handles, monkeypatch):
    asked = []
    stand_in(
        monkeypatch,
        lambda url: asked.append(url) or tf.saved_model.load(handles["yamnet"]),
    )
    backbone = cry_hub.HubBackbone(URL, "yamnet")
    assert asked == [URL]
    assert backbone.get_config()["handle"] == URL


def test_an_unreachable_url_says_what_to_do(monkeypatch):
    def load(url):
        raise urllib.error.URLError("Name or service not known")

    stand_in(monkeypatch, load)
    with pytest.raises(OSError, match=f"Received: {URL}.*not known.*Check the network"):
        cry_hub.HubBackbone(URL, "yamnet")


def test_a_url_behind_which_is_no_saved_model_is_refused(monkeypatch):
    def load(url):
        raise ValueError("Trying to load a model of incompatible/unknown type.")

    stand_in(monkeypatch, load)
    with pytest.raises(cry_hub.WeightsError, match="incompatible/unknown type"):
        cry_hub.HubBackbone(URL, "yamnet")


def test_without_tensorflow_hub_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_hub", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "cry-tf\[hub\]"'):
        HubProgram(URL, "yamnet")


FRESH = """
import os, sys, warnings
warnings.simplefilter("error")
import keras
import cry_hub
handle, family = sys.argv[1:]
backbone = cry_hub.HubBackbone(handle, family)
assert keras.__version__.startswith("3.")
assert type(backbone).__mro__[3].__module__.startswith("keras.src")
assert "TF_USE_LEGACY_KERAS" not in os.environ
model = keras.Sequential([backbone, keras.layers.Dense(2)])
assert model.predict(keras.ops.zeros((1, 20_000)), verbose=0).shape == (1, 2, 2)
print("tensorflow_hub" in sys.modules, "tf_keras" in sys.modules)
"""


def run_fresh(handle: str, **environment: str) -> list[str]:
    process = subprocess.run(
        [sys.executable, "-c", FRESH, handle, "yamnet"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    assert process.returncode == 0, process.stderr[-2_000:]
    return process.stdout.split()


def test_a_folder_brings_no_second_keras(handles):
    assert run_fresh(handles["yamnet"]) == ["False", "False"]


def test_a_url_is_taken_from_the_hubs_own_cache_beside_keras_3(tmp_path):
    """Where tensorflow_hub can be imported: its cache is filled beforehand."""
    pytest.importorskip("tensorflow_hub", exc_type=ImportError)
    save(TinyYAMNet(6), tmp_path / sha1(URL.encode()).hexdigest())
    found = run_fresh(URL, TFHUB_CACHE_DIR=str(tmp_path))
    assert found[:1] == ["True"]
