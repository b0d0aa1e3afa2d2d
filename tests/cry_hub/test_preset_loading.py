"""From the name of a preset to a model, or to an error that says what to do."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import shutil

import numpy as np
import pytest

import cry_hub
from cry_hub import registry
from cry_hub.preset import WeightsFile
from cry_hub.weights import store
from cry_lite.front_ends import YAMNET

REBUILT = "mine.npz (a known file, rebuilt from others: not what its authors published)"
KNOWN = "yamnet_reconstructed_folded_f32.npz"
DIGEST = "94d0f0f3f9f1368edee359888b1ab4b6be95ccfea7a673a52c05f009cb843b18"


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("CRY_TF_HOME", str(tmp_path / "home"))


@pytest.fixture
def student(tmp_path):
    """A saved student and its weights file."""
    model = registry.get("ds_cnn_s").build()
    return model, cry_hub.save_npz(model, tmp_path / "student.npz")


def sha256(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# CNN14 has 81 M parameters, and is the same network at its other two rates and with
# the heads that decide for each segment.
@pytest.mark.parametrize(
    "preset",
    [
        name
        for name in sorted(cry_hub.presets())
        if not name.startswith(("cnn14_16k", "cnn14_8k", "cnn14_decision"))
    ],
)
def test_weights_none_is_random(preset):
    model = cry_hub.load(preset, weights=None)
    assert model.weights_source == "random initialisation"
    assert model.weights_sha256 is None
    # What nobody has trained must be able to learn its own statistics.
    assert getattr(model, "freeze_batch_norm", False) is False


def test_the_word_none_is_none_and_a_home_is_found(student, tmp_path, monkeypatch):
    assert cry_hub.load("ds_cnn_s", "none").weights_source == "random initialisation"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cry_hub.load("ds_cnn_s", "~/student.npz").weights_sha256 is not None


def test_a_saved_student_comes_back(student, rng):
    model, path = student
    again = cry_hub.load("ds_cnn_s", weights=path)
    waveform = rng.normal(0, 0.1, (1, 20_000)).astype("float32")
    np.testing.assert_array_equal(again(waveform), model(waveform))
    assert again.weights_sha256 == sha256(path)
    assert again.weights_source == ("student.npz (not a known file; every tensor fits)")


def test_the_cutoff_reaches_the_front_end(student):
    model = cry_hub.load("ds_cnn_s", weights=str(student[1]), cutoff_hz=4000)
    assert model.front_end_spec.cutoff_hz == 4000
    with pytest.raises(ValueError, match="cutoff_hz must be above min_hz"):
        cry_hub.load("ds_cnn_s", weights=None, cutoff_hz=100)


def test_arguments_of_the_backbone_reach_it(student):
    arguments = {"pre_emphasis": 0.97, "z_score": True}
    for weights in (None, student[1]):
        model = cry_hub.load("ds_cnn_s", weights, cutoff_hz=4000, **arguments)
        config = model.get_config()
        assert config["cutoff_hz"] == 4000
        assert (config["pre_emphasis"], config["z_score"]) == (0.97, True)
        assert model.front_end_spec == YAMNET.replace(cutoff_hz=4000, **arguments)
        again = type(model).from_config(config)
        assert again.front_end_spec == model.front_end_spec


def test_random_weights_keep_what_they_need_beside_other_arguments():
    model = cry_hub.load("yamnet_audioset", None, z_score=True)
    assert model.front_end_spec == YAMNET.replace(z_score=True)
    assert not model.freeze_batch_norm
    assert model.get_config()["z_score"] is True


@pytest.mark.parametrize("preset", ["cnn10_audioset", "mn04_audioset"])
def test_an_argument_that_the_backbone_has_not_is_refused_in_one_sentence(preset):
    rule = f"{preset} takes no pre_emphasis or z_score: its backbone .* takes .*cutoff"
    with pytest.raises(ValueError, match=rule):
        cry_hub.load(preset, None, pre_emphasis=0.97, z_score=True)


def test_pretrained_offline_without_a_file_says_how_to_give_one():
    with pytest.raises(cry_hub.WeightsError, match="CRY_TF_OFFLINE is set") as error:
        cry_hub.load("yamnet_audioset")
    for part in (
        "https://storage.googleapis.com/audioset/yamnet.h5",
        "home/weights/yamnet_audioset",
        "`--weights FILE`",
        "`cry-tf weights fetch yamnet_audioset --from FILE`",
        "weights are bundled (ds_cnn_s, ds_cnn_m)",
    ):
        assert part in str(error.value)


def test_pretrained_says_so_where_nothing_is_published(monkeypatch):
    record = dataclasses.replace(registry.get("ds_cnn_s"), files=(), shipped=None)
    monkeypatch.setitem(registry._PRESETS, "ds_cnn_s", record)
    with pytest.raises(cry_hub.WeightsError, match=r"Nothing is published.*none"):
        cry_hub.load("ds_cnn_s")


def test_pretrained_is_fetched_once_and_its_pin_is_shown(
    student, weights_server, monkeypatch, caplog
):
    model, path = student
    weights_server.content = path.read_bytes()
    file = WeightsFile(name="published.npz", url=weights_server.url)
    record = registry.get("ds_cnn_s")
    monkeypatch.setitem(
        registry._PRESETS, "ds_cnn_s", dataclasses.replace(record, files=(file,))
    )
    caplog.set_level(logging.WARNING, "cry_hub")
    told = []
    for _ in range(2):
        again = cry_hub.load("ds_cnn_s", progress=lambda *each: told.append(each))
        for old, new in zip(model.weights, again.weights, strict=True):
            np.testing.assert_array_equal(old, new)
        assert again.weights_sha256 == sha256(path)
        assert again.weights_source == "published.npz (the file pinned at first use)"
    assert len(weights_server.requests) == 1
    assert told[-1] == (path.stat().st_size, path.stat().st_size)
    (message,) = caplog.messages
    assert f"pinned at first use: sha256:{sha256(path)}" in message


def test_pretrained_takes_what_is_installed(student):
    model, path = student
    store.install("ds_cnn_s", path)
    again = cry_hub.load("ds_cnn_s", weights="pretrained")
    for old, new in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(old, new)


def test_pretrained_refuses_an_installed_file_that_changed(student):
    installed = store.install("ds_cnn_s", student[1]).path
    installed.write_bytes(installed.read_bytes() + b" ")
    with pytest.raises(cry_hub.WeightsError, match="not used"):
        cry_hub.load("ds_cnn_s")


def test_a_path_where_there_are_no_weights_is_named(tmp_path):
    missing = tmp_path / "missing.npz"
    for path, error in ((missing, FileNotFoundError), (tmp_path, ValueError)):
        with pytest.raises(error) as caught:
            cry_hub.load("ds_cnn_s", weights=path)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "an empty file"),
        (b"PK\x03\x04 and no more", "damaged"),
        (b"<!DOCTYPE html><html>404</html>", "a web page"),
        (b"\n <html>", "a web page"),
    ],
)
def test_what_is_no_npz_is_refused_in_one_sentence(tmp_path, content, kind):
    path = tmp_path / "weights.npz"
    path.write_bytes(content)
    with pytest.raises(cry_hub.WeightsError, match=kind) as error:
        cry_hub.load("ds_cnn_s", weights=path)
    assert "not used" in str(error.value)


def test_a_truncated_file_is_refused(student):
    path = student[1]
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(cry_hub.WeightsError, match="damaged"):
        cry_hub.load("ds_cnn_s", weights=path)


def test_nothing_is_ever_unpickled(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("unpickled",))

    path = tmp_path / "pickle.npz"
    np.savez(path, allow_pickle=True, kernel=np.array([Bomb()], dtype=object))
    with pytest.raises(cry_hub.WeightsError, match="plain arrays"):
        cry_hub.load("ds_cnn_s", weights=path)
    single = tmp_path / "single.npz"
    with single.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(cry_hub.WeightsError, match="plain arrays"):
        cry_hub.load("ds_cnn_s", weights=single)


def test_a_known_name_with_another_digest_is_refused(student, tmp_path):
    path = student[1].rename(tmp_path / KNOWN)
    with pytest.raises(cry_hub.WeightsError, match="not used") as error:
        cry_hub.load("yamnet_audioset", weights=path)
    expected = f"expected sha256:{DIGEST}"
    for part in (str(path), expected, f"found sha256:{sha256(path)}"):
        assert part in str(error.value)


def test_the_file_of_another_preset_is_refused(student):
    with pytest.raises(cry_hub.WeightsError, match=r"student.npz: .*more"):
        cry_hub.load("yamnet_audioset", weights=student[1])


@pytest.mark.assets
def test_a_known_file_is_known_under_any_name(assets, tmp_path):
    path = tmp_path / "mine.npz"
    shutil.copy(assets / "weights" / "yamnet" / KNOWN, path)
    model = cry_hub.load("yamnet_audioset", weights=path)
    assert model.weights_source == REBUILT
    assert model.weights_sha256 == DIGEST
    assert model.freeze_batch_norm
    classifier = cry_hub.load("yamnet_audioset", weights=path, head="audioset")
    for each in (classifier, classifier.get_layer("yamnet")):
        assert each.weights_source == REBUILT
        assert each.weights_sha256 == DIGEST
    store.install("yamnet_audioset", path)
    assert cry_hub.load("yamnet_audioset").weights_sha256 == DIGEST
