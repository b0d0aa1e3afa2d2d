"""Published weights: fetched once, pinned, and never taken for another file."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cry_hub
from cry_hub import porting, registry
from cry_hub.weights import pins, store
from cry_hub.weights.verification import verify

pytestmark = pytest.mark.usefixtures("home")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


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


def test_what_nobody_published_cannot_be_fetched(monkeypatch):
    record = dataclasses.replace(registry.get("ds_cnn_s"), files=(), shipped=None)
    monkeypatch.setitem(registry._PRESETS, "ds_cnn_s", record)
    with pytest.raises(cry_hub.WeightsError, match="Nothing is published for ds_cnn_s"):
        store.fetch("ds_cnn_s")


@pytest.mark.parametrize("is_zip", [False, True], ids=["stream", "zip"])
def test_a_file_of_pytorch_is_fetched_without_pytorch(
    publish, content, torch_writer, monkeypatch, is_zip
):
    monkeypatch.setitem(sys.modules, "torch", None)
    with np.load(io.BytesIO(content)) as arrays:
        state = {name: torch_writer.tensor(arrays[name]) for name in arrays.files}
    publish(torch_writer.content({"model": state}, is_zip), name="network.pth")
    made = store.fetch("ds_cnn_s")
    assert (made.file, made.source_file) == ("network.npz", "network.pth")
    with np.load(made.path) as found, np.load(io.BytesIO(content)) as arrays:
        for name in arrays.files:
            np.testing.assert_array_equal(found[name], arrays[name])


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
