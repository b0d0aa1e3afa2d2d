"""Datasets of the files that Keras 2 and Keras 3 write."""

from __future__ import annotations

import h5py
import keras
import numpy as np
import pytest

import cry_hub
from cry_hub import formats


def message_of(path) -> str:
    with pytest.raises(cry_hub.WeightsError) as error:
        formats.read(path).tensors()
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)
    return str(error.value)


@pytest.fixture
def kernel(rng) -> np.ndarray:
    return rng.normal(size=(3, 3, 1, 2)).astype("float32")


def test_every_dataset_has_its_path_for_a_name(tmp_path, kernel):
    path = tmp_path / "weights"  # the name says nothing
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = "2.2.4"
        file["layer1/conv/layer1/conv/kernel:0"] = kernel
        file.create_group("model_weights/reshape")
        file.create_dataset("step", data=np.int64(7))
        file.create_dataset("packed", data=kernel, chunks=True, compression="gzip")
    found = formats.read(path).tensors()
    assert set(found) == {"layer1/conv/layer1/conv/kernel:0", "step", "packed"}
    np.testing.assert_array_equal(found["layer1/conv/layer1/conv/kernel:0"], kernel)
    np.testing.assert_array_equal(found["packed"], kernel)
    assert found["packed"].dtype == np.float32
    assert found["step"] == 7


def test_weights_of_keras_3_are_read(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, name="dense")])
    model.save_weights(tmp_path / "model.weights.h5")
    found = formats.read(tmp_path / "model.weights.h5").tensors()
    assert set(found) == {"layers/dense/vars/0", "layers/dense/vars/1"}
    np.testing.assert_array_equal(found["layers/dense/vars/0"], model.weights[0])


@pytest.mark.parametrize("kept", [0.02, 0.3, 0.6, 0.9, 0.999])
def test_a_truncated_file_is_refused(tmp_path, kernel, kept):
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        for number in range(10):
            file[f"layer{number}/kernel:0"] = kernel
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    assert "an HDF5 file, truncated or damaged" in message_of(path)


def test_damaged_bytes_never_end_in_another_error(tmp_path, kernel, rng):
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        for number in range(10):
            file[f"layer{number}/kernel:0"] = kernel
    whole = path.read_bytes()
    refused = 0
    for _ in range(200):
        content = bytearray(whole)
        for _ in range(4):
            content[rng.integers(len(content))] = rng.integers(256)
        path.write_bytes(content)
        try:
            formats.read(path).tensors()
        except cry_hub.WeightsError:
            refused += 1
    # HDF5 has no sums by default: what is changed within a tensor is not seen.
    assert refused > 50


def test_data_of_other_files_is_not_read(tmp_path, kernel):
    secret = tmp_path / "secret"
    secret.write_bytes(kernel.tobytes())
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset(
            "kernel",
            kernel.shape,
            "float32",
            external=[(str(secret), 0, kernel.nbytes)],
        )
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["kernel"][()], kernel)
    assert "its kernel lies in another file" in message_of(path)


def test_values_that_were_never_written_take_no_memory(tmp_path):
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("kernel", (10**12,), "float32", chunks=(1000,))
    assert path.stat().st_size < 10_000
    assert "unpack to 4000000000000, which is no weights" in message_of(path)


def test_a_bomb_of_compressed_zeros_is_refused(tmp_path):
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("kernel", data=np.zeros(5_000_000), compression="gzip")
    assert "unpack to 40000000" in message_of(path)


def test_what_is_no_number_is_not_read(tmp_path):
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("names", data=["a" * 1000] * 3)
        file.attrs["layer_names"] = ["conv"]
    assert "its names holds no numbers" in message_of(path)
