"""Weights on this machine: whole, checked at every read, never half there."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import cry_hub
from cry_hub import porting, registry, store


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("CRY_TF_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def content(tmp_path_factory) -> bytes:
    """A weights file of ds_cnn_s."""
    path = tmp_path_factory.mktemp("weights") / "student.npz"
    porting.save_npz(registry.get("ds_cnn_s").build(), path)
    return path.read_bytes()


@pytest.fixture
def student(tmp_path, content) -> Path:
    path = tmp_path / "student.npz"
    path.write_bytes(content)
    return path


def test_the_cache_is_where_the_environment_says(home, monkeypatch):
    assert store.cache_dir() == home
    monkeypatch.delenv("CRY_TF_HOME")
    assert store.cache_dir() == Path.home() / ".cache" / "cry-tf"


def test_nothing_is_found_before_it_is_installed():
    assert store.find("ds_cnn_s") is None
    with pytest.raises(ValueError, match="preset must be one of"):
        store.find("../../etc")


def test_an_installed_file_is_found_and_read(home, student, content):
    path = store.install("ds_cnn_s", student)
    assert path == home / "weights" / "ds_cnn_s" / "student.npz"
    assert store.find("ds_cnn_s") == path
    assert store.read_installed(path) == content
    assert student.is_file()
    assert sorted(each.name for each in path.parent.iterdir()) == [
        "student.npz",
        "student.npz.sha256",
    ]


def test_installing_again_replaces_the_file(student):
    first = store.install("ds_cnn_s", student).read_bytes()
    student.unlink()
    porting.save_npz(registry.get("ds_cnn_s").build(), student)
    path = store.install("ds_cnn_s", student)
    assert store.read_installed(path) == student.read_bytes() != first


def test_a_file_changed_after_it_was_installed_is_refused(student):
    path = store.install("ds_cnn_s", student)
    changed = bytearray(path.read_bytes())
    changed[1000] ^= 1
    path.write_bytes(changed)
    with pytest.raises(cry_hub.WeightsError, match="has changed since") as error:
        store.read_installed(path)
    found = store.sha256(bytes(changed))
    expected = store.sha256(student.read_bytes())
    for part in (str(path), "not used", f"expected sha256 {expected}", found):
        assert part in str(error.value)


def test_an_empty_digest_is_refused(student):
    path = store.install("ds_cnn_s", student)
    path.with_name("student.npz.sha256").write_text("")
    with pytest.raises(cry_hub.WeightsError, match=r"expected sha256 \(empty\)"):
        store.read_installed(path)


def test_a_file_without_its_digest_is_not_installed(student):
    path = store.install("ds_cnn_s", student)
    path.with_name("student.npz.sha256").unlink()
    assert store.find("ds_cnn_s") is None


def test_an_install_that_fails_leaves_nothing(home, student, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        store.install("ds_cnn_s", student)
    assert not list((home / "weights" / "ds_cnn_s").iterdir())


def test_a_file_that_does_not_fit_is_not_installed(home, tmp_path):
    path = tmp_path / "foreign.npz"
    np.savez(path, kernel=np.zeros((3, 3), "float32"))
    with pytest.raises(cry_hub.WeightsError, match="kernel"):
        store.install("ds_cnn_s", path)
    assert not home.exists()


def test_a_file_under_a_known_name_must_have_its_digest(home, tmp_path):
    path = tmp_path / "yamnet_reconstructed_folded_f32.npz"
    np.savez(path, kernel=np.zeros((3, 3), "float32"))
    with pytest.raises(cry_hub.WeightsError, match="94d0f0f3f9f1"):
        store.install("yamnet_audioset", path)
    assert not home.exists()


def test_of_two_unknown_files_neither_is_preferred(student, tmp_path):
    store.install("ds_cnn_s", student)
    store.install("ds_cnn_s", student.rename(tmp_path / "other.npz"))
    with pytest.raises(cry_hub.WeightsError, match=r"other.npz, student.npz"):
        store.find("ds_cnn_s")


def test_damaged_bytes_are_refused_in_one_sentence(rng, tmp_path):
    path = tmp_path / "damaged.npz"
    np.savez_compressed(path, a=np.arange(1200.0).reshape(30, 40), b=np.ones(3))
    whole = path.read_bytes()
    messages = []
    for _ in range(300):
        content = bytearray(whole)
        if rng.random() < 0.3:
            content = content[: rng.integers(len(content))]
        for _ in range(min(4, len(content))):
            content[rng.integers(len(content))] = rng.integers(256)
        try:
            store.parse(bytes(content), path)
        except cry_hub.WeightsError as error:
            messages.append(str(error))
    assert len(messages) > 250
    assert all(str(path) in message for message in messages)
    assert not any("\n" in message for message in messages)
