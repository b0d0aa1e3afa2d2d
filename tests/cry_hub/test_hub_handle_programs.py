"""Where a program comes from, and what is refused as one."""

from __future__ import annotations

import os
import subprocess
import sys
import types
import urllib.error
from hashlib import sha1

import keras
import pytest
import tensorflow as tf

import cry_hub
from cry_hub.hub_handle import HubProgram

from .hub_programs import (
    PATCH,
    VGGISH_HOP,
    WAVEFORM,
    TinyProgram,
    TinyVGGish,
    TinyYAMNet,
    clip,
    save,
)

URL = "https://tfhub.dev/google/yamnet/1"


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
