"""State dicts of PyTorch, both formats of file, and programs in them."""

from __future__ import annotations

import os
import pickle
import sys
import zipfile

import numpy as np
import pytest

import cry_hub
from cry_hub import formats


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="needs PyTorch (the extra `port`)")


# PANNs' files on Zenodo are of the first format, EfficientAT's of the second.
LEGACY = pytest.mark.parametrize("is_zip", [False, True], ids=["legacy", "zip"])


@pytest.fixture
def state(torch, rng):
    """A state dict with every kind of tensor that the sources have."""
    kernel = torch.from_numpy(rng.normal(size=(4, 3, 2)).astype("float32"))
    return {
        "conv.weight": kernel,
        "conv.transposed": kernel.permute(2, 0, 1),  # strides of its own
        "conv.part": kernel[1:3, 1],  # an offset in a shared storage
        "conv.parameter": torch.nn.Parameter(kernel[0]),
        "bn.num_batches_tracked": torch.tensor(12_345),
    }


def message_of(path) -> str:
    with pytest.raises(cry_hub.WeightsError) as error:
        formats.read(path).tensors()
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)
    return str(error.value)


@LEGACY
@pytest.mark.parametrize("wrapped", [False, True], ids=["plain", "in model"])
def test_a_state_dict_comes_as_arrays(torch, state, tmp_path, is_zip, wrapped):
    path = tmp_path / "weights"  # the name says nothing
    content = {"iteration": 600_000, "model": state} if wrapped else state
    torch.save(content, path, _use_new_zipfile_serialization=is_zip)
    assert path.read_bytes().startswith(b"PK") == is_zip
    found = formats.read(path).tensors()
    assert list(found) == list(state)
    for name, tensor in state.items():
        np.testing.assert_array_equal(found[name], tensor.detach().numpy())
        assert found[name].dtype == tensor.detach().numpy().dtype
    assert found["bn.num_batches_tracked"].dtype == np.int64


@LEGACY
def test_half_precision_becomes_float32(torch, tmp_path, is_zip):
    values = torch.tensor([0.1, -2.5, 3e-5])
    kinds = {"half": torch.float16, "brain": torch.bfloat16, "double": torch.float64}
    path = tmp_path / "weights.pt"
    torch.save(
        {name: values.to(kind) for name, kind in kinds.items()},
        path,
        _use_new_zipfile_serialization=is_zip,
    )
    found = formats.read(path).tensors()
    assert [each.dtype for each in found.values()] == ["float32", "float32", "float64"]
    # 11 and 8 bits; half precision has steps of 6e-8 near zero
    np.testing.assert_allclose(found["half"], values, rtol=2**-11, atol=6e-8)
    np.testing.assert_allclose(found["brain"], values, rtol=2**-8)


@pytest.mark.assets
def test_the_reader_of_the_tests_reads_what_pytorch_reads(assets, torch, torch_tensors):
    del torch
    path = assets / "weights" / "efficientat" / "mn04_as_mAP_432.pt"
    found = torch_tensors(path)
    expected = formats.read(path).tensors()
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        np.testing.assert_array_equal(found[name], tensor)


@pytest.mark.assets
def test_real_weights_of_efficientat_are_float32(assets, torch_tensors):
    tensors = torch_tensors(assets / "weights" / "efficientat" / "mn04_as_mAP_432.pt")
    counters = {name for name in tensors if name.endswith("num_batches_tracked")}
    assert len(tensors) == 312
    assert len(counters) == 46
    for name, tensor in tensors.items():
        assert tensor.dtype == (np.int64 if name in counters else np.float32)
        assert np.isfinite(tensor).all()


class Trap:
    """Makes a folder when it is unpickled: a program in a weights file."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@LEGACY
@pytest.mark.parametrize("beside_a_model", [False, True])
def test_a_program_in_the_file_is_refused_and_never_runs(
    torch, state, tmp_path, is_zip, beside_a_model
):
    path, folder = tmp_path / "weights.pth", tmp_path / "made by the file"
    trap = Trap(folder)
    content = {"model": state, "x": trap} if beside_a_model else {**state, "x": trap}
    torch.save(content, path, _use_new_zipfile_serialization=is_zip)
    message = message_of(path)
    assert "mkdir), which could run any program and is not executed" in message
    assert not folder.exists()
    # The trap is armed: PyTorch without the check falls into it.
    torch.load(path, weights_only=False)
    assert folder.is_dir()


def test_a_bare_pickle_is_refused_and_never_runs(tmp_path):
    path, folder = tmp_path / "weights.pt", tmp_path / "made by the file"
    for protocol in (2, 5):
        path.write_bytes(pickle.dumps({"a": Trap(folder)}, protocol))
        assert "a Python pickle, which could run any program" in message_of(path)
    assert not folder.exists()
    pickle.loads(path.read_bytes())
    assert folder.is_dir()


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_a_whole_model_is_refused(torch, tmp_path):
    path = tmp_path / "model.pt"
    torch.save(torch.nn.Linear(2, 3), path)
    message = message_of(path)
    assert "torch.nn.modules.linear.Linear" in message
    assert "save its state dict alone" in message
    torch.jit.script(torch.nn.Linear(2, 3)).save(path)
    assert "TorchScript" in message_of(path)


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda torch: torch.ones(3), "a Tensor and no tensors"),
        (lambda torch: {}, "a dict and no tensors"),
        (lambda torch: {"model": {"lr": 0.1}}, "'lr' is of float and no tensor"),
        (lambda torch: {3: torch.ones(1)}, "3 is of Tensor"),
        (lambda torch: {"a": torch.ones(3).to_sparse()}, "'a' is a sparse"),
        (
            lambda torch: {
                "a": torch.quantize_per_tensor(torch.ones(3), 1, 0, torch.qint8)
            },
            "'a' is a quantized",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_what_is_no_state_dict_is_refused(torch, tmp_path, make, what):
    path = tmp_path / "weights.pt"
    torch.save(make(torch), path)
    assert what in message_of(path)


@LEGACY
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(torch, state, tmp_path, is_zip, kept):
    path = tmp_path / "weights.pth"
    torch.save(state, path, _use_new_zipfile_serialization=is_zip)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    assert "truncated or damaged" in message_of(path)


def test_a_changed_value_is_seen_by_its_sum(torch, state, tmp_path):
    path = tmp_path / "weights.pt"
    torch.save(state, path)
    content = bytearray(path.read_bytes())
    content[content.index(state["conv.weight"].numpy().tobytes())] ^= 1
    path.write_bytes(content)
    assert "truncated or damaged" in message_of(path)
    # PyTorch itself takes it.
    changed = torch.load(path, weights_only=True)["conv.weight"]
    assert (changed != state["conv.weight"]).any()


def test_without_pytorch_the_install_line_is_named(tmp_path, monkeypatch):
    path = tmp_path / "weights.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
    monkeypatch.setitem(sys.modules, "torch", None)
    source = formats.read(path)
    assert len(source.sha256) == 64
    assert 'pip install "cry-tf[port]"' in message_of(path)
