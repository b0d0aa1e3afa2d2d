"""Weights on this machine: whole, checked at every read, never half there."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import cry_hub
from cry_hub import porting, registry
from cry_hub.preset import WeightsFile
from cry_hub.weights import cache_folder, pins, store
from cry_hub.weights.installation import Installation
from cry_hub.weights.verification import verify


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


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def installed_names(home: Path) -> list[str]:
    return names(home / "weights")


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


# Fetching


@pytest.fixture
def publish(monkeypatch, weights_server):
    """Gives ds_cnn_s a published file on a server of this machine."""

    def publish(content: bytes, name: str = "published.npz", digest=None):
        weights_server.content = content
        file = WeightsFile(name=name, url=weights_server.url, digest=digest)
        record = dataclasses.replace(registry.get("ds_cnn_s"), files=(file,))
        monkeypatch.setitem(registry._PRESETS, "ds_cnn_s", record)
        return weights_server

    return publish


def test_a_published_file_is_fetched_once(home, publish, content):
    server = publish(content, digest=f"sha256:{sha256(content)}")
    made = store.fetch("ds_cnn_s")
    assert made.origin == "published"
    assert made.source_url == server.url
    assert store.find("ds_cnn_s") == made.path
    assert store.fetch("ds_cnn_s") == made
    assert len(server.requests) == 1
    assert names(home) == sorted(
        [
            "ds_cnn_s.lock",
            "published.npz",
            "published.npz.json",
            "published.npz.sha256",
        ]
    )


def test_an_md5_that_was_published_is_enough(publish, content):
    digest = f"md5:{hashlib.md5(content).hexdigest()}"
    publish(content, digest=digest)
    made = store.fetch("ds_cnn_s")
    assert (made.origin, made.source_digest) == (
        "published",
        f"sha256:{sha256(content)}",
    )


def test_without_a_digest_the_first_file_is_pinned_and_another_refused(
    home, publish, content, tmp_path
):
    server = publish(content)
    made = store.fetch("ds_cnn_s")
    pinned = f"sha256:{sha256(content)}"
    assert (made.origin, made.source_digest) == ("pinned", pinned)
    assert pins.pinned(server.url) == pinned

    made.path.unlink()  # as a user does to have it again
    store.fetch("ds_cnn_s")
    other = porting.save_npz(registry.get("ds_cnn_s").build(), tmp_path / "other.npz")
    server.content = other.read_bytes()
    for path in made.path.parent.iterdir():
        path.unlink()
    with pytest.raises(cry_hub.WeightsError, match="gave the first time") as error:
        store.fetch("ds_cnn_s")
    found = f"sha256:{sha256(other.read_bytes())}"
    for part in (server.url, pinned, found, str(home / "pins.json")):
        assert part in str(error.value)
    assert store.find("ds_cnn_s") is None
    assert names(home / "weights") == names(home / "downloads") == []
    # Brought by hand under the published name it is the same.
    with pytest.raises(cry_hub.WeightsError, match="gave the first time"):
        store.install("ds_cnn_s", other.rename(tmp_path / "published.npz"))


def test_what_does_not_fit_is_neither_installed_nor_pinned(home, publish, tmp_path):
    np.savez(tmp_path / "foreign.npz", kernel=np.zeros((3, 3), "float32"))
    server = publish((tmp_path / "foreign.npz").read_bytes())
    with pytest.raises(cry_hub.WeightsError, match="kernel"):
        store.fetch("ds_cnn_s")
    assert pins.pinned(server.url) is None
    assert names(home) == ["ds_cnn_s.lock"]


@pytest.mark.parametrize("body", [b"<html>404</html>", b"PK\x03\x04 and no more", b""])
def test_what_is_no_weights_file_is_not_kept(home, publish, body):
    publish(body)
    with pytest.raises(cry_hub.WeightsError, match="web page|damaged|empty"):
        store.fetch("ds_cnn_s")
    assert store.find("ds_cnn_s") is None
    assert names(home) == ["ds_cnn_s.lock"]


def test_a_changed_file_is_fetched_again(publish, content, caplog):
    server = publish(content)
    path = store.fetch("ds_cnn_s").path
    path.write_bytes(b"changed")
    assert store.fetch("ds_cnn_s").path.read_bytes() == content
    assert len(server.requests) == 2
    assert "has changed" in caplog.text


def test_a_user_file_of_the_same_name_does_not_pass_for_the_published_one(
    publish, student, content, tmp_path
):
    own = porting.save_npz(registry.get("ds_cnn_s").build(), tmp_path / "published.npz")
    store.install("ds_cnn_s", own)
    publish(content, digest=f"sha256:{sha256(content)}")
    made = store.fetch("ds_cnn_s")
    assert made.origin == "published"
    assert made.path.read_bytes() == content


def test_a_file_brought_by_hand_is_pinned_like_a_fetched_one(
    publish, student, content, tmp_path, monkeypatch
):
    server = publish(content)
    monkeypatch.setenv("CRY_TF_OFFLINE", "1")
    made = store.install("ds_cnn_s", student.rename(tmp_path / "published.npz"))
    assert made.origin == "pinned"
    assert pins.pinned(server.url) == f"sha256:{sha256(content)}"
    assert store.fetch("ds_cnn_s") == made  # offline, but it is there
    assert server.requests == []


def test_offline_nothing_is_asked_and_the_way_by_hand_is_told(
    home, publish, content, monkeypatch
):
    server = publish(content)
    monkeypatch.setenv("CRY_TF_OFFLINE", "1")
    with pytest.raises(ConnectionError, match="ds_cnn_s --from FILE") as error:
        store.fetch("ds_cnn_s")
    assert server.url in str(error.value)
    assert server.requests == []
    assert not home.exists()


def test_without_a_network_the_way_by_hand_is_told(publish, content):
    server = publish(content)
    server.status = 503
    with pytest.raises(ConnectionError, match=r"503.*ds_cnn_s --from FILE"):
        store.fetch("ds_cnn_s")


def test_what_nobody_published_cannot_be_fetched():
    with pytest.raises(cry_hub.WeightsError, match="Nothing is published for ds_cnn_s"):
        store.fetch("ds_cnn_s")


@pytest.mark.parametrize("name", ["network.pth", "network.pt"])
def test_pytorch_is_missed_before_its_file_is_fetched(
    home, publish, content, monkeypatch, name
):
    server = publish(content, name=name)
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda asked, *rest: None if asked == "torch" else find_spec(asked, *rest),
    )
    with pytest.raises(cry_hub.WeightsError, match=r'pip install "cry-tf\[port\]"'):
        store.fetch("ds_cnn_s")
    assert server.requests == []
    assert not home.exists()


def test_two_processes_at_once_fetch_once(home, publish, content):
    server = publish(content)
    server.pause_s = 0.2
    code = (
        "import dataclasses, sys; from cry_hub import registry;"
        "from cry_hub.weights import store;"
        "from cry_hub.preset import WeightsFile;"
        "file = WeightsFile(name='published.npz', url=sys.argv[1]);"
        "record = dataclasses.replace(registry.get('ds_cnn_s'), files=(file,));"
        "registry._PRESETS['ds_cnn_s'] = record;"
        "print(store.fetch('ds_cnn_s').sha256)"
    )
    command = [sys.executable, "-c", code, server.url]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for process in both:
        assert process.communicate(timeout=200)[0].strip() == sha256(content)
        assert process.returncode == 0
    assert len(server.requests) == 1
    assert [finding.state for finding in verify()] == ["ok"]


# Pins and locks


def test_a_pin_is_never_changed():
    pins.pin("https://a", "sha256:1")
    pins.pin("https://a", "sha256:1")
    pins.pin("https://b", "sha256:2")
    with pytest.raises(cry_hub.WeightsError, match="first time"):
        pins.pin("https://a", "sha256:2")
    assert pins.pinned("https://a") == "sha256:1"
    assert pins.pinned("https://b") == "sha256:2"
    assert pins.pinned("https://c") is None


@pytest.mark.parametrize("text", ["", "[]", '{"https://a": {}}', '{"https://a": 1}'])
def test_pins_that_cannot_be_read_are_not_ignored(home, text):
    home.mkdir()
    pins.pins_file().write_text(text)
    with pytest.raises(cry_hub.WeightsError, match="cannot be read"):
        pins.pinned("https://a")


def test_a_lock_is_given_back_after_a_failure():
    for _ in range(2):
        with pytest.raises(KeyError), cache_folder.locked("work"):
            raise KeyError


# Verification


def test_verify_tells_what_is_whole_changed_and_incomplete(home, student, tmp_path):
    assert verify() == ()
    whole = store.install("ds_cnn_s", student).path
    changed = whole.with_name("changed.npz")
    changed.write_bytes(b"changed")
    changed.with_name("changed.npz.sha256").write_text(f"{'0' * 64}  changed.npz\n")
    incomplete = whole.with_name("incomplete.npz")
    incomplete.write_bytes(b"half")
    stray = whole.with_name(".stray.npz")
    stray.write_bytes(b"half")
    part = home / "downloads" / "yamnet_audioset" / "yamnet.h5.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"half")
    part.with_name("yamnet.h5.part.json").write_text("{}")
    part.with_name("tmp123").write_bytes(b"")
    found = {finding.path: finding for finding in verify()}
    assert {path: finding.state for path, finding in found.items()} == {
        whole: "ok",
        changed: "changed",
        incomplete: "incomplete",
        stray: "incomplete",
        part: "incomplete",
    }
    assert sha256(b"changed") in found[changed].sentence
    assert "fetch yamnet_audioset" in found[part].sentence
    assert found[whole].sentence == ""


def test_an_install_clears_away_what_a_killed_one_left(student):
    path = store.install("ds_cnn_s", student).path
    path.with_name(".stray.npz").write_bytes(b"half")
    store.install("ds_cnn_s", student)
    assert [finding.state for finding in verify()] == ["ok"]


def test_verifying_loads_no_framework():
    code = (
        "import sys; from cry_hub.weights import store;"
        "from cry_hub.weights.verification import verify;"
        "verify(); store.find('ds_cnn_s');"
        "heavy = {'tensorflow', 'keras', 'torch', 'pooch', 'requests'};"
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
