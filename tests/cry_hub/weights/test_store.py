"""Weights on this machine: whole, checked at every read, never half there."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest

import cry_hub
from cry_hub import porting, registry
from cry_hub.preset import WeightsFile
from cry_hub.weights import store
from cry_hub.weights.installation import Installation

pytestmark = pytest.mark.usefixtures("home")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def installed_names(home: Path) -> list[str]:
    folder = home / "weights"
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_the_cache_is_where_the_environment_says(home, monkeypatch):
    assert store.cache_dir() == home
    monkeypatch.delenv("CRY_TF_HOME")
    assert store.cache_dir() == Path.home() / ".cache" / "cry-tf"


def test_nothing_is_found_before_it_is_installed():
    assert store.find("ds_cnn_s") is None
    for function in (store.find, store.install, store.fetch):
        with pytest.raises(ValueError, match="preset must be one of"):
            function("../../etc", *(["x"] if function is store.install else []))


def test_an_installed_file_is_found_and_read(home, student, content):
    made = store.install("ds_cnn_s", student)
    assert made.path == home / "weights" / "ds_cnn_s" / "student.npz"
    assert store.find("ds_cnn_s") == made.path
    assert made.path.read_bytes() == content
    assert store.read_installed(made.path).sha256 == made.sha256 == sha256(content)
    assert student.is_file()
    assert installed_names(home) == [
        "student.npz",
        "student.npz.json",
        "student.npz.sha256",
    ]


def test_the_record_beside_it_says_where_it_came_from(student, content):
    made = store.install("ds_cnn_s", student)
    values = json.loads(made.path.with_name("student.npz.json").read_text())
    date = values.pop("date")
    assert date.endswith("+00:00")
    assert values == {
        "format": "cry-tf weights 1",
        "preset": "ds_cnn_s",
        "file": "student.npz",
        "sha256": sha256(content),
        "source_file": "student.npz",
        "source_url": None,
        "source_digest": f"sha256:{sha256(content)}",
        "origin": "own",
        "head": None,
        "licence": "Apache-2.0",
    }
    assert Installation.read(made.path) == made
    made.path.with_name("student.npz.json").write_text("{}")
    assert Installation.read(made.path) is None


def test_another_format_becomes_an_npz_in_our_names(home, tmp_path, student):
    arrays = np.load(student)
    path = tmp_path / "student.h5"
    with h5py.File(path, "w") as file:
        for name in arrays.files:
            file[name] = arrays[name]
    made = store.install("ds_cnn_s", path)
    assert made.path.name == "student.npz"
    assert made.source_digest == f"sha256:{sha256(path.read_bytes())}"
    assert made.sha256 == sha256(made.path.read_bytes())
    written = np.load(made.path)
    assert sorted(written.files) == sorted(arrays.files)
    for name in arrays.files:
        np.testing.assert_array_equal(written[name], arrays[name])
    assert len(installed_names(home)) == 3


def test_installing_again_replaces_the_file(student):
    first = store.install("ds_cnn_s", student).path.read_bytes()
    student.unlink()
    porting.save_npz(registry.get("ds_cnn_s").build(), student)
    path = store.install("ds_cnn_s", student).path
    assert store.read_installed(path).sha256 == sha256(student.read_bytes())
    assert path.read_bytes() == student.read_bytes() != first


def test_a_file_changed_after_it_was_installed_is_refused(student):
    path = store.install("ds_cnn_s", student).path
    changed = bytearray(path.read_bytes())
    changed[1000] ^= 1
    path.write_bytes(changed)
    with pytest.raises(cry_hub.WeightsError, match="has changed since") as error:
        store.read_installed(path)
    expected = sha256(student.read_bytes())
    for part in (str(path), "not used", f"expected sha256 {expected}", sha256(changed)):
        assert part in str(error.value)


def test_an_empty_digest_is_refused(student):
    path = store.install("ds_cnn_s", student).path
    path.with_name("student.npz.sha256").write_text("")
    with pytest.raises(cry_hub.WeightsError, match=r"expected sha256 \(empty\)"):
        store.read_installed(path)


def test_a_file_without_its_digest_is_not_installed(student):
    path = store.install("ds_cnn_s", student).path
    path.with_name("student.npz.sha256").unlink()
    assert store.find("ds_cnn_s") is None


def test_an_install_that_fails_leaves_nothing(home, student, monkeypatch):
    def fail(*_):
        raise OSError("broken disk")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="broken disk"):
        store.install("ds_cnn_s", student)
    assert installed_names(home) == []


def test_a_disk_that_fills_up_in_an_install_keeps_what_was_there(
    home, student, content, monkeypatch
):
    store.install("ds_cnn_s", student)

    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="It is full.*CRY_TF_HOME"):
        store.install("ds_cnn_s", student)
    assert len(installed_names(home)) == 3
    assert store.read_installed(store.find("ds_cnn_s")).sha256 == sha256(content)


def test_a_file_that_does_not_fit_is_not_installed(home, tmp_path):
    path = tmp_path / "foreign.npz"
    np.savez(path, kernel=np.zeros((3, 3), "float32"))
    with pytest.raises(cry_hub.WeightsError, match="kernel"):
        store.install("ds_cnn_s", path)
    assert installed_names(home) == []


def test_a_file_under_a_known_name_must_have_its_digest(home, tmp_path):
    path = tmp_path / "yamnet_reconstructed_folded_f32.npz"
    np.savez(path, kernel=np.zeros((3, 3), "float32"))
    with pytest.raises(cry_hub.WeightsError, match="94d0f0f3f9f1"):
        store.install("yamnet_audioset", path)
    assert installed_names(home) == []


@pytest.mark.parametrize("is_rebuilt", [True, False])
def test_what_others_rebuilt_is_not_said_to_be_published(
    student, content, monkeypatch, is_rebuilt
):
    digest = f"sha256:{sha256(content)}"
    file = WeightsFile(name="known.npz", digest=digest, is_rebuilt=is_rebuilt)
    record = dataclasses.replace(registry.get("ds_cnn_s"), files=(file,), shipped=None)
    monkeypatch.setitem(registry._PRESETS, "ds_cnn_s", record)
    made = store.install("ds_cnn_s", student)
    assert made.origin == ("rebuilt" if is_rebuilt else "published")
    assert made.source_url is None
    source = cry_hub.load("ds_cnn_s").weights_source
    assert ("as its authors published it" in source) != is_rebuilt
    assert ("rebuilt from others: not what its authors" in source) == is_rebuilt
    # As a version installed it that did not know the difference.
    dataclasses.replace(made, origin="published").write(made.path)
    assert cry_hub.load("ds_cnn_s").weights_source == source


def test_of_two_unknown_files_neither_is_preferred(student, tmp_path):
    store.install("ds_cnn_s", student)
    store.install("ds_cnn_s", student.rename(tmp_path / "other.npz"))
    with pytest.raises(cry_hub.WeightsError, match=r"other.npz, student.npz"):
        store.find("ds_cnn_s")


def test_a_head_in_the_file_is_kept_and_one_that_is_not_is_not_asked_for(tmp_path):
    record = registry.get("yamnet_audioset")
    model = record.build("audioset")
    with_head = porting.save_npz(model, tmp_path / "with_head.npz")
    without = porting.save_npz(record.build(), tmp_path / "without.npz")
    assert store.install("yamnet_audioset", with_head).head == "audioset"
    assert store.install("yamnet_audioset", without).head is None
    arrays = dict(np.load(with_head))
    arrays["logits/bias"] = arrays["logits/bias"][:-1]
    np.savez(tmp_path / "short.npz", **arrays)
    with pytest.raises(cry_hub.WeightsError, match="logits/bias is"):
        store.install("yamnet_audioset", tmp_path / "short.npz")
