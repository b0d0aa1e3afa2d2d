"""State dicts of PyTorch, both formats of file, and programs in them."""

from __future__ import annotations

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
