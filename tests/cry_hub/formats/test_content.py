"""What a path is, by its content; its digest; what is no weights file."""

from __future__ import annotations

import gzip
import hashlib
import io
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import cry_hub
from cry_hub import formats


def message_of(path) -> str:
    with pytest.raises(cry_hub.WeightsError) as error:
        formats.read(path).tensors()
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith(f"{path} is not used: it is ")
    # What came, then what is taken.
    assert "Weights are taken from a .npz of plain arrays, a PyTorch .pth" in message
    return message


def zip_of(*names: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in names:
            archive.writestr(name, b"content")
    return content.getvalue()


def npy() -> bytes:
    content = io.BytesIO()
    np.save(content, np.ones(3))
    return content.getvalue()


FOREIGN = {
    "an empty file": b"",
    "a web page, not weights: fetch the file again": b"\n <!DOCTYPE html><html>404",
    "a Git LFS pointer, not the file it points to: run `git lfs pull`": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 3729481\n"
    ),
    "a .tflite, whose weights are converted: give what it was made from": (
        b"\x1c\0\0\0TFL3" + bytes(100)
    ),
    "a recording, not weights": b"RIFF\x24\0\0\0WAVEfmt " + bytes(40),
    "a gzip archive: unpack it": gzip.compress(b"yamnet_1"),
    "a single array, not an archive of named arrays": npy(),
    "a Python pickle, which could run any program": b"\x80\x04N.",
    "a zip archive of 2 other files: unpack it": zip_of("saved_model.pb", "a/b"),
    "a zip archive, truncated or damaged (110 bytes)": zip_of("a.npy", "b.npy")[:110],
    "a .keras file: give the model.weights.h5 inside it": zip_of(
        "metadata.json", "config.json", "model.weights.h5"
    ),
    "damaged, or another format (4 bytes)": b"abcd",
}


@pytest.mark.parametrize("what", FOREIGN)
# The name says one thing, the content another.
@pytest.mark.parametrize("name", ["weights.npz", "weights.pth", "weights.h5"])
def test_a_file_of_another_kind_is_named(tmp_path, what, name):
    path = tmp_path / name
    path.write_bytes(FOREIGN[what])
    assert what in message_of(path)


def test_a_foreign_file_is_digested_before_it_is_judged(tmp_path):
    path = tmp_path / "weights.npz"
    path.write_bytes(b"<html>")
    assert formats.read(path).sha256 == hashlib.sha256(b"<html>").hexdigest()


def test_a_path_to_nothing_is_refused_with_what_is_taken(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"File not found: .*a Keras \.h5"):
        formats.read(tmp_path / "weights.npz")


def test_a_folder_of_something_else_is_refused(tmp_path):
    assert "a folder without a saved_model.pb. Weights" in message_of(tmp_path)
    (tmp_path / "model.ckpt.index").write_bytes(b"")
    assert "saved_model.pb: give its file model.ckpt.index" in message_of(tmp_path)


def test_the_digest_is_that_of_the_bytes(tmp_path):
    path = tmp_path / "weights.npz"
    np.savez(path, a=np.ones(3))
    source = formats.read(path)
    assert source.path == path
    assert source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert source.digest("md5") == hashlib.md5(path.read_bytes()).hexdigest()


def test_the_home_folder_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    np.savez(tmp_path / "weights.npz", a=np.ones(3))
    source = formats.read("~/weights.npz")
    assert source.path == tmp_path / "weights.npz"
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        formats.read("~/nothing.npz")


def test_the_digest_of_several_files_is_that_of_their_names_and_digests():
    files = {"b/x": b"first", "a": b"second"}
    source = formats.Source("somewhere", files)
    text = "".join(
        f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in ("a", "b/x")
    )
    assert source.sha256 == hashlib.sha256(text.encode()).hexdigest()
    with pytest.raises(ValueError, match="2 files of somewhere"):
        source.digest("md5")


def test_what_was_digested_is_what_is_parsed(tmp_path):
    path = tmp_path / "weights.npz"
    np.savez(path, a=np.ones(3))
    source = formats.read(path)
    path.write_bytes(b"changed in between")
    assert list(source.tensors()) == ["a"]


def test_reading_arrays_loads_no_framework(tmp_path):
    path = tmp_path / "weights"
    np.savez(tmp_path / "weights.npz", a=np.ones(3))
    (tmp_path / "weights.npz").rename(path)
    program = (
        "import sys; from cry_hub import formats; "
        f"assert list(formats.read({str(path)!r}).tensors()) == ['a']; "
        "print({'torch', 'tensorflow', 'keras', 'h5py'} & sys.modules.keys())"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (run.stdout.strip(), run.stderr) == ("set()", "")


@pytest.mark.assets
def test_real_files_of_other_kinds_are_named(assets):
    yamnet = assets / "weights" / "yamnet"
    # Metadata makes it end as a zip archive.
    for name in (
        "yamnet_audio_classifier_with_metadata.tflite",
        "yamnet_official_dynamic_range_int8.tflite",
    ):
        assert "a .tflite" in message_of(yamnet / name)
    recording = next((assets / "data").rglob("*.ogg"))
    assert "a recording" in message_of(recording)
