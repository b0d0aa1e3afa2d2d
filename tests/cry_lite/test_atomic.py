from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from cry_lite import atomic


def test_the_content_takes_the_place_of_what_was_there(tmp_path):
    path = tmp_path / "a.json"
    atomic.write_bytes(path, b"one")
    atomic.write_bytes(str(path), b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["a.json"]


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_a_failure_leaves_the_file_as_it_was_and_names_it(tmp_path, monkeypatch, fails):
    path = tmp_path / "a.json"
    path.write_bytes(b"earlier")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, fails, full)
    with pytest.raises(OSError, match="No space left") as caught:
        atomic.write_bytes(path, b"new")
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"earlier"
    assert os.listdir(tmp_path) == ["a.json"]


def test_an_error_of_the_writer_leaves_no_part_file(tmp_path):
    def write():
        with atomic.replacing(tmp_path / "a") as part:
            part.write_bytes(b"half")
            raise KeyError("x")

    with pytest.raises(KeyError):
        write()
    assert os.listdir(tmp_path) == []


def test_the_longest_name_that_the_disk_takes_can_be_written(tmp_path):
    path = tmp_path / ("é" * 127)  # 254 bytes
    atomic.write_bytes(path, b"x")
    assert path.read_bytes() == b"x"
    with pytest.raises(OSError, match="too long") as caught:
        atomic.write_bytes(tmp_path / ("a" * 256), b"x")
    assert caught.value.filename == str(tmp_path / ("a" * 256))
    assert os.listdir(tmp_path) == [path.name]


def test_a_missing_folder_is_named_by_the_file_that_was_asked_for(tmp_path):
    path = tmp_path / "missing" / "a"
    with pytest.raises(FileNotFoundError) as caught:
        atomic.write_bytes(path, b"x")
    assert caught.value.filename == str(path)


def test_others_may_read_it_as_any_other_file(tmp_path):
    (tmp_path / "plain").write_bytes(b"x")
    atomic.write_bytes(tmp_path / "whole", b"x")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_only_this_module_replaces_files():
    root = Path(__file__).parents[2]
    found = {
        path.relative_to(root).as_posix()
        for folder in ("cry_tf", "hub_models", "tflite")
        for path in (root / folder).rglob("*.py")
        if "os.replace(" in path.read_text(encoding="utf-8")
    }
    assert found == {"tflite/cry_lite/atomic.py"}
