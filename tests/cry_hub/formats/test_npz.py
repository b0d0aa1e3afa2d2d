"""Arrays of an .npz, whatever is in it."""

from __future__ import annotations

import os
import zipfile

import numpy as np
import pytest

import cry_hub
from cry_hub import formats


class Trap:
    """Makes a folder when it is unpickled: a program in a weights file."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def test_arrays_come_as_they_were(rng, tmp_path):
    arrays = {
        "layer1/conv/kernel": rng.normal(size=(3, 3, 1, 2)).astype("float32"),
        "step": np.array(7, "int64"),
    }
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "weights.npz", **arrays)
        found = formats.read(tmp_path / "weights.npz").tensors()
        assert list(found) == list(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)
            assert found[name].dtype == array.dtype


def test_a_program_in_the_file_is_refused_and_never_runs(tmp_path):
    path, folder = tmp_path / "weights.npz", tmp_path / "made by the file"
    np.savez(path, kernel=np.ones(3), trap=np.array([Trap(folder)], dtype=object))
    with pytest.raises(cry_hub.WeightsError, match="could run any program"):
        formats.read(path).tensors()
    assert not folder.exists()
    # The trap is armed: NumPy without the check falls into it.
    with np.load(path, allow_pickle=True) as arrays:
        arrays["trap"]
    assert folder.is_dir()


def test_damaged_bytes_are_refused_in_one_sentence(rng, tmp_path):
    path = tmp_path / "damaged.npz"
    arrays = {"a": np.arange(1200.0).reshape(30, 40), "b": np.ones(3)}
    np.savez_compressed(path, **arrays)
    whole = path.read_bytes()
    messages = []
    for _ in range(300):
        content = bytearray(whole)
        if rng.random() < 0.3:
            content = content[: rng.integers(len(content))]
        for _ in range(min(4, len(content))):
            content[rng.integers(len(content))] = rng.integers(256)
        path.write_bytes(content)
        try:
            formats.read(path).tensors()
        except cry_hub.WeightsError as error:
            messages.append(str(error))
    assert len(messages) > 250
    assert all(message.startswith(f"{path} is not used") for message in messages)
    assert not any("\n" in message for message in messages)


def test_a_small_file_that_unpacks_to_far_more_is_refused(tmp_path):
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, zeros=np.zeros(20_000_000))
    assert path.stat().st_size < 1_000_000
    with pytest.raises(cry_hub.WeightsError, match="unpack to 160000128, which is no"):
        formats.read(path).tensors()


def test_compressed_weights_are_read(rng, tmp_path):
    path = tmp_path / "pruned.npz"
    kernel = rng.normal(size=3_000_000) * (rng.random(3_000_000) < 0.05)
    np.savez_compressed(path, kernel=kernel, bias=np.zeros(1_000_000))
    np.testing.assert_array_equal(formats.read(path).tensors()["kernel"], kernel)


def test_a_header_that_promises_more_than_there_is_is_refused(tmp_path):
    path = tmp_path / "weights.npz"
    np.savez(path, kernel=np.ones(4))
    with zipfile.ZipFile(path) as archive:
        array = archive.read("kernel.npy").replace(b"(4,)", b"(4" + b"0" * 14 + b",)")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("kernel.npy", array)
    with pytest.raises(cry_hub.WeightsError, match="truncated or damaged"):
        formats.read(path).tensors()
