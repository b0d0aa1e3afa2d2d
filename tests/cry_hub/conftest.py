"""What tests of several families read."""

from __future__ import annotations

import collections
import functools
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

_STORAGES = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
}


class _TensorUnpickler(pickle.Unpickler):
    """Rebuilds the tensors of PyTorch's zip format as arrays, and nothing else."""

    def __init__(self, file: Any, storage: Callable[[str], bytes]):
        super().__init__(file)
        self._storage = storage

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise pickle.UnpicklingError(f"{module}.{name} is no tensor")

    def persistent_load(self, pid: Any) -> np.ndarray:
        _, dtype, key, _, _ = pid
        return np.frombuffer(self._storage(key), dtype)


def _rebuild(storage, offset, shape, strides, *_) -> np.ndarray:
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    assert 0 <= offset <= last < storage.size
    assert all(step >= 0 for step in strides)
    return np.lib.stride_tricks.as_strided(
        storage[offset:], shape, [step * storage.itemsize for step in strides]
    ).copy()


@functools.cache
def _torch_tensors(path: Path) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        pickled = next(n for n in archive.namelist() if n.endswith("/data.pkl"))
        folder = pickled.removesuffix("data.pkl")
        with archive.open(pickled) as file:
            return dict(
                _TensorUnpickler(
                    file, lambda key: archive.read(f"{folder}data/{key}")
                ).load()
            )


@pytest.fixture(scope="session")
def torch_tensors() -> Callable[[Path], dict[str, np.ndarray]]:
    """Reads a state dict in PyTorch's zip format without PyTorch.

    For tests of real weights where PyTorch is not installed; users' files are
    read by `cry_hub.formats`, which checks more.
    """
    return _torch_tensors


@pytest.fixture
def check_tflite(rng, tmp_path) -> Callable[[Any, int | None], None]:
    """Compares a backbone with its TFLite file, in builtin operators.

    Of one number of samples, or of any where that is None.
    """
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    def check(backbone: Any, samples: int | None) -> None:
        signature = [tf.TensorSpec((1, samples), tf.float32, name="waveform")]
        folder = tmp_path / "saved"
        backbone.export(
            folder, "tf_saved_model", verbose=False, input_signature=signature
        )
        converter = tf.lite.TFLiteConverter.from_saved_model(str(folder))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        interpreter = Interpreter(model_content=converter.convert(), num_threads=2)
        for length in (24_000,) if samples else (24_000, 5_000, 40_123):
            waveform = rng.normal(0, 0.1, (1, length)).astype("float32")
            index = interpreter.get_input_details()[0]["index"]
            interpreter.resize_tensor_input(index, waveform.shape)
            interpreter.allocate_tensors()
            interpreter.set_tensor(index, waveform)
            interpreter.invoke()
            output = interpreter.get_output_details()[0]["index"]
            expected = np.asarray(backbone(waveform))
            scale = max(1.0, np.abs(expected).max())
            np.testing.assert_allclose(
                interpreter.get_tensor(output) / scale, expected / scale, atol=1e-4
            )

    return check


@pytest.fixture
def check_training_ignores_padding() -> Callable[..., None]:
    """Compares what a training step learns of a batch, alone and before zeros.

    Only statistics move; `moves` says of how many variables. The backbone is left
    as it came.
    """

    def check(backbone: Any, batch: np.ndarray, moves: int) -> None:
        before = backbone.get_weights()
        moved = []
        for waveform in (batch, np.pad(batch, ((0, 0), (0, 9_999)))):
            backbone(waveform, training=True)
            moved.append(backbone.get_weights())
            backbone.set_weights(before)
        changed = [
            np.abs(old - new).max() > 0
            for old, new in zip(before, moved[0], strict=True)
        ]
        assert sum(changed) == moves
        for alone, padded in zip(*moved, strict=True):
            np.testing.assert_allclose(padded, alone, rtol=1e-4, atol=1e-5)

    return check


@pytest.fixture
def check_gradients(rng) -> Callable[[Any], None]:
    """Checks that a gradient reaches every trainable weight of a backbone."""
    import tensorflow as tf

    def check(backbone: Any) -> None:
        batch = rng.normal(0, 0.1, (2, 22_000)).astype("float32")
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(backbone(batch, training=True))
        gradients = tape.gradient(loss, backbone.trainable_variables)
        for gradient, variable in zip(
            gradients, backbone.trainable_weights, strict=True
        ):
            assert np.isfinite(gradient).all(), variable.path
            assert np.abs(gradient).max() > 0, variable.path

    return check
