"""What tests of several families read."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest


@dataclass(frozen=True)
class Pickled:
    """A value as the operations of a pickle that push it."""

    operations: bytes


class TorchWriter:
    """Writes what `torch.save` writes, operation by operation, without PyTorch.

    Hostile files too: nothing is checked, and `Pickled` may hold anything.
    """

    storages: dict[str, tuple[int, bytes]]  # number of values, and they

    def __init__(self):
        self.storages = {}

    def named(self, name: str) -> Pickled:
        """A class or function by its name."""
        module, _, attribute = name.rpartition(".")
        return Pickled(f"c{module}\n{attribute}\n".encode())

    def call(self, name: str, *arguments: Any) -> Pickled:
        """A call of a function."""
        return Pickled(_push(self.named(name)) + _push(arguments) + b"R")

    def storage(
        self, kind: str, content: bytes, numel: int, *view: Any, key: str | None = None
    ) -> Pickled:
        """A storage: `kind` is as `Float`, `view` None or a part in the stream."""
        key = str(len(self.storages)) if key is None else key
        self.storages[key] = (numel, content)
        kind = self.named(f"torch.{kind}Storage")
        return Pickled(_push(("storage", kind, key, "cuda:0", numel, *view)) + b"Q")

    def view(self, storage: Pickled, offset: Any, shape: Any, strides: Any) -> Pickled:
        """A tensor in a storage."""
        hooks = self.call("collections.OrderedDict")
        return self.call(
            "torch._utils._rebuild_tensor_v2",
            *(storage, offset, shape, strides, False, hooks),
        )

    def tensor(self, array: np.ndarray, kind: str = "Float") -> Pickled:
        """A tensor with a storage of its own."""
        strides = tuple(step // array.itemsize for step in array.strides)
        storage = self.storage(kind, array.tobytes(), array.size)
        return self.view(storage, 0, array.shape, strides)

    def content(self, value: Any, is_zip: bool = True) -> bytes:
        """The file: the zip of PyTorch 1.6, or the stream of earlier ones."""
        if is_zip:
            return self.zip(_pickle(value))
        number = Pickled(b"\x8a\x0a" + 0x1950A86A20F9469CFC6C.to_bytes(10, "little"))
        machine = {"protocol_version": 1001, "little_endian": True}
        pickles = (number, 1001, machine, value, list(self.storages))
        return b"".join(map(_pickle, pickles)) + b"".join(
            struct.pack("<q", numel) + content
            for numel, content in self.storages.values()
        )

    def zip(self, pickled: bytes, compression: int = 0, **more: bytes) -> bytes:
        """The zip around a pickle, with more members."""
        members = {"data.pkl": pickled, "version": b"3", "byteorder": b"little", **more}
        members |= {f"data/{key}": part for key, (_, part) in self.storages.items()}
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", compression) as archive:
            for name, content in members.items():
                archive.writestr(f"archive/{name}", content)
        return file.getvalue()


def _pickle(value: Any) -> bytes:
    return b"\x80\x02" + _push(value) + b"."


def _push(value: Any) -> bytes:
    match value:
        case Pickled():
            return value.operations
        case None:
            return b"N"
        case bool():
            return b"\x88" if value else b"\x89"
        case int():
            return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)
        case float():
            return b"G" + struct.pack(">d", value)
        case str():
            encoded = value.encode()
            return b"X" + struct.pack("<I", len(encoded)) + encoded
        case tuple():
            return b"(" + b"".join(map(_push, value)) + b"t"
        case list():
            return b"](" + b"".join(map(_push, value)) + b"e"
        case dict():
            items = b"".join(_push(key) + _push(each) for key, each in value.items())
            return b"}(" + items + b"u"
    raise TypeError(value)


@pytest.fixture
def torch_writer() -> TorchWriter:
    """Makes files of PyTorch where PyTorch is not installed."""
    return TorchWriter()


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


@pytest.fixture(scope="session")
def handles(tmp_path_factory) -> dict[str, str]:
    """A SavedModel of each family, by its name."""
    from .hub_programs import TinyVGGish, TinyYAMNet, save

    folder = tmp_path_factory.mktemp("handles")
    return {
        "yamnet": save(TinyYAMNet(6), folder / "yamnet"),
        "vggish": save(TinyVGGish(5), folder / "vggish"),
    }
