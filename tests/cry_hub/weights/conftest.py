"""A place of their own for the weights of each test, and a file to put there."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from cry_hub import porting, registry
from cry_hub.preset import WeightsFile


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """The cache, not there yet."""
    monkeypatch.setenv("CRY_TF_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="session")
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
