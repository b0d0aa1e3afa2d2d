"""State dicts of PyTorch, both formats of file, and programs in them.

None of these tests needs PyTorch but the last, which compare with it where it is.
"""

from __future__ import annotations

import io
import os
import pickle
import struct
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest

import cry_hub
from cry_hub import formats

# PANNs' files on Zenodo are of the first format, EfficientAT's of the second.
BOTH = pytest.mark.parametrize("is_zip", [False, True], ids=["stream", "zip"])
ONES = np.ones((2, 3), "<f4")


def message_of(path) -> str:
    with pytest.raises(cry_hub.WeightsError) as error:
        formats.read(path).tensors()
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)
    return str(error.value)


@pytest.fixture
def read(tmp_path):
    """Reads the bytes of a file."""

    def read(content: bytes) -> dict[str, np.ndarray]:
        path = tmp_path / "weights"  # the name says nothing
        path.write_bytes(content)
        return formats.read(path).tensors()

    return read


@pytest.fixture
def refusal(tmp_path):
    """What is said of the bytes of a file that are refused."""

    def refusal(content: bytes) -> str:
        path = tmp_path / "weights.pth"
        path.write_bytes(content)
        return message_of(path)

    return refusal


@BOTH
@pytest.mark.parametrize("wrapped", [False, True], ids=["plain", "in model"])
def test_a_state_dict_comes_as_arrays(torch_writer, rng, read, is_zip, wrapped):
    write = torch_writer
    kernel = rng.normal(size=(4, 3, 2)).astype("<f4")
    shared = write.storage("Float", kernel.tobytes(), 24)
    state = {
        "conv.weight": write.view(shared, 0, (4, 3, 2), (6, 2, 1)),
        "conv.transposed": write.view(shared, 0, (2, 4, 3), (1, 6, 2)),
        "conv.part": write.view(shared, 8, (2, 2), (6, 1)),
        "conv.windows": write.view(shared, 0, (5, 4), (1, 1)),  # overlap
        "conv.parameter": write.call(
            "torch._utils._rebuild_parameter",
            *(write.view(shared, 6, (3, 2), (2, 1)), True, None),
        ),
        "scalar": write.view(shared, 5, (), ()),
        "empty": write.view(shared, 0, (3, 0), (1, 1)),
        "bn.num_batches_tracked": write.tensor(np.array(12_345), "Long"),
    }
    content = {"iteration": 600_000, "model": state} if wrapped else state
    content = write.content(content, is_zip)
    assert content.startswith(b"PK") == is_zip
    found = read(content)
    windows = np.lib.stride_tricks.sliding_window_view(kernel.ravel(), 4)[:5]
    expected = {
        "conv.weight": kernel,
        "conv.transposed": kernel.transpose(2, 0, 1),
        "conv.part": kernel[1:3, 1],
        "conv.windows": windows,
        "conv.parameter": kernel[1],
        "scalar": kernel[0, 2, 1],
        "empty": np.empty((3, 0), "float32"),
        "bn.num_batches_tracked": np.array(12_345),
    }
    assert list(found) == list(state)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)


@BOTH
def test_every_dtype_of_pytorch_keeps_its_values(torch_writer, rng, read, is_zip):
    dtypes = {
        **{"Float": "f4", "Double": "f8", "Long": "i8", "Int": "i4", "Short": "i2"},
        **{"Char": "i1", "Byte": "u1", "Bool": "?"},
        **{"ComplexFloat": "c8", "ComplexDouble": "c16"},
    }
    arrays = {kind: rng.normal(0, 9, 7).astype(name) for kind, name in dtypes.items()}
    state = {kind: torch_writer.tensor(array, kind) for kind, array in arrays.items()}
    found = read(torch_writer.content(state, is_zip))
    for kind, array in arrays.items():
        np.testing.assert_array_equal(found[kind], array)
        assert found[kind].dtype == array.dtype


@BOTH
def test_half_precision_becomes_float32(torch_writer, read, is_zip):
    values = np.array([0.1, -2.5, 3e-5, np.inf, 0], "<f4")
    half = values.astype("<f2")
    brain = (values.view("<u4") >> 16).astype("<u2")
    state = {
        "half": torch_writer.tensor(half, "Half"),
        "brain": torch_writer.tensor(brain, "BFloat16"),
    }
    found = read(torch_writer.content(state, is_zip))
    assert [each.dtype for each in found.values()] == ["float32", "float32"]
    np.testing.assert_array_equal(found["half"], half.astype("float32"))
    # bfloat16 has 8 bits
    np.testing.assert_allclose(found["brain"], values, rtol=2**-7)


def test_the_byte_order_of_the_file_is_minded(torch_writer, read):
    values = np.array([1.5, -2, 3e-8], ">f4")
    tensor = torch_writer.tensor(values)
    pickled = b"\x80\x02}X\x01\0\0\0a" + tensor.operations + b"s."
    found = read(torch_writer.zip(pickled, byteorder=b"big"))
    np.testing.assert_array_equal(found["a"], values)
    assert found["a"].dtype == np.dtype("float32")


@BOTH
def test_what_lies_beside_the_model_is_passed_over(torch_writer, read, is_zip):
    write = torch_writer
    steps = write.tensor(np.ones(3, "<f4"))
    content = {
        "model": {"a": write.tensor(ONES)},
        "optimizer": {"state": {0: {"step": steps}}, "groups": [{"lr": 1e-3}]},
        "loss": float("nan"),
        "labels": write.call("builtins.set", ["a", "b"]),
        "size": write.call("torch.Size", (2, 3)),
        "device": write.call("torch.device", "cuda", 0),
        "counts": write.call("collections.Counter", {"a": 3}),
        "bytes": write.call("_codecs.encode", "text", "latin1"),
        "dtype": write.named("torch.float32"),
    }
    found = read(write.content(content, is_zip))
    assert list(found) == ["a"]
    np.testing.assert_array_equal(found["a"], ONES)


def test_a_part_of_a_storage_before_pytorch_0_4_is_read(torch_writer, read):
    values = np.arange(10, dtype="<f4")
    part = torch_writer.storage("Float", values.tobytes(), 10, ("part", 4, 5))
    tensor = torch_writer.call("torch._utils._rebuild_tensor", part, 1, (2,), (3,))
    found = read(torch_writer.content({"a": tensor}, is_zip=False))
    np.testing.assert_array_equal(found["a"], [5, 8])


def test_the_attributes_of_a_state_dict_are_passed_over(torch_writer, read):
    # `_metadata`, which `Module.state_dict` hangs on its OrderedDict
    state = torch_writer.call("collections.OrderedDict").operations
    tensor = torch_writer.tensor(ONES).operations
    state += b"X\x01\0\0\0a" + tensor + b"s}X\x09\0\0\0_metadata}sb"
    found = read(torch_writer.zip(b"\x80\x02" + state + b"."))
    np.testing.assert_array_equal(found["a"], ONES)


def test_reading_imports_neither_pytorch_nor_a_framework(torch_writer, tmp_path):
    path = tmp_path / "weights.pt"
    path.write_bytes(torch_writer.content({"a": torch_writer.tensor(ONES)}))
    program = (
        "import sys; from cry_hub import formats; "
        f"assert list(formats.read({str(path)!r}).tensors()) == ['a']; "
        "print({'torch', 'pickle', 'tensorflow', 'keras'} & sys.modules.keys())"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    # NumPy imports pickle, and nothing of ours asks it for anything.
    assert (run.stdout.strip(), run.stderr) in (("{'pickle'}", ""), ("set()", ""))


@pytest.mark.assets
def test_real_weights_of_efficientat_are_float32(assets):
    path = assets / "weights" / "efficientat" / "mn04_as_mAP_432.pt"
    tensors = formats.read(path).tensors()
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


MKDIR = f"{os.mkdir.__module__}.mkdir"  # posix.mkdir


@BOTH
@pytest.mark.parametrize("place", ["alone", "in the state", "beside the model"])
def test_a_program_in_the_file_is_refused_and_never_runs(
    torch_writer, refusal, tmp_path, is_zip, place
):
    folder = tmp_path / "made by the file"
    trap = torch_writer.call(MKDIR, str(folder))
    tensor = torch_writer.tensor(ONES)
    content = {
        "alone": trap,
        "in the state": {"a": tensor, "x": trap},
        "beside the model": {"model": {"a": tensor}, "x": trap},
    }[place]
    message = refusal(torch_writer.content(content, is_zip))
    assert f"({MKDIR}), which could run any program and is not executed" in message
    assert not folder.exists()
    # The trap is armed: pickle falls into it.
    pickle.loads(b"\x80\x02" + trap.operations + b".")
    assert folder.is_dir()


def hidden_programs(path: str) -> dict[str, bytes]:
    """Ways to have a pickle call `mkdir(path)`."""
    module, name = (
        b"\x8c" + bytes([len(text)]) + text.encode()
        for text in (os.mkdir.__module__, "mkdir")
    )
    named = f"c{os.mkdir.__module__}\nmkdir\n".encode()
    text = b"X" + struct.pack("<I", len(path)) + path.encode()
    rebuilding = b"ctorch._tensor\n_rebuild_from_type_v2\n"
    return {
        "a call": named + text + b"\x85R",
        "a name from the stack": module + name + b"\x93" + text + b"\x85R",
        "a new object": named + text + b"\x85\x81",
        "a new object with keywords": named + text + b"\x85}\x92",
        "an instance": b"(" + text + f"i{os.mkdir.__module__}\nmkdir\n".encode(),
        "an object": b"(" + named + text + b"o",
        "a name in a module's name": f"cos\npath.os.mkdir\n{''}".encode()
        + text
        + b"\x85R",
        "inside of a tensor": rebuilding
        + b"("
        + named
        + b"ctorch\nTensor\n"
        + text
        + b"\x85NtR",
        "kept and fetched": named + b"q\x05" + b"0" + b"h\x05" + text + b"\x85R",
        "getattr": b"cbuiltins\ngetattr\ncos\nmkdir\n" + text + b"\x86R",
        "eval": b"c__builtin__\neval\n" + text + b"\x85R",
        "a module of PyTorch that runs programs": b"ctorch\nload\n" + text + b"\x85R",
        "a name registered before": b"\x82\x01",
        "an id in a text": b"P" + path.encode() + b"\n",
        "an id of another kind": text + b"\x85Q",
        "buffers from elsewhere": b"\x97",
    }


@pytest.mark.parametrize("how", hidden_programs(""))
@BOTH
def test_no_way_to_a_program_is_open(torch_writer, refusal, tmp_path, how, is_zip):
    folder = tmp_path / "made by the file"
    operations = hidden_programs(str(folder))[how]
    if is_zip:
        content = torch_writer.zip(b"\x80\x04" + operations + b".")
    else:
        content = torch_writer.content(type(torch_writer.named("a.b"))(operations), 0)
    message = refusal(content)
    assert "holds more than tensors (" in message
    assert how != "an instance" or MKDIR in message
    assert not folder.exists()


@BOTH
def test_a_name_that_is_known_is_not_therefore_called(torch_writer, refusal, is_zip):
    # `Tensor` and `float32` are known: what a file calls with them is not.
    for name in ("torch.float32", "torch.Tensor", "collections.OrderedDict"):
        called = torch_writer.call(name, torch_writer.named("torch.Size"))
        assert "not used" in refusal(torch_writer.content({"a": called}, is_zip))


def test_a_name_is_printed_in_one_line(torch_writer, refusal):
    name = b"\x8c\x07o\n\x1b[1mX\x8c\x03\xe2\x80\xae\x93"
    message = refusal(torch_writer.zip(b"\x80\x04" + name + b"."))
    assert r"('o\n\x1b[1mX.\u202e')" in message


def test_a_bare_pickle_is_refused_and_never_runs(tmp_path):
    path, folder = tmp_path / "weights.pt", tmp_path / "made by the file"
    for protocol in (2, 5):
        path.write_bytes(pickle.dumps({"a": Trap(folder)}, protocol))
        assert "a Python pickle, which could run any program" in message_of(path)
    assert not folder.exists()
    pickle.loads(path.read_bytes())
    assert folder.is_dir()


def test_a_whole_model_is_refused(torch_writer, refusal):
    model = torch_writer.call("torch.nn.modules.linear.Linear", 2, 3)
    message = refusal(torch_writer.content(model))
    assert "torch.nn.modules.linear.Linear" in message
    assert "save its state dict alone" in message
    script = torch_writer.zip(b"\x80\x02}.", **{"constants.pkl": b"\x80\x02)."})
    assert "TorchScript" in refusal(script)


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda write: write.tensor(ONES), "a Tensor and no tensors"),
        (lambda write: {}, "a dict and no tensors"),
        (lambda write: {"model": {"lr": 0.1}}, "'lr' is of float and no tensor"),
        (lambda write: {3: write.tensor(ONES)}, "a key is of int and no name"),
        (lambda write: {"a": write.storage("Float", b"", 0)}, "'a' is of Storage"),
        (
            lambda write: {"a": write.call("torch._utils._rebuild_sparse_tensor")},
            "'a' is a sparse tensor",
        ),
        (
            lambda write: {"a": write.call("torch._utils._rebuild_qtensor")},
            "'a' is a quantized tensor",
        ),
        (
            lambda write: {"a": write.tensor(np.ones(3, "<i1"), "QInt8")},
            "'a' is a quantized tensor",
        ),
        (
            lambda write: {
                "a": write.call(
                    "torch._utils._rebuild_tensor_v3",
                    *(None, 0, (1,), (1,), False, None),
                    write.named("torch.float8_e4m3fn"),
                )
            },
            "'a' is a float8_e4m3fn tensor",
        ),
    ],
)
@BOTH
def test_what_is_no_state_dict_is_refused(torch_writer, refusal, is_zip, make, what):
    assert what in refusal(torch_writer.content(make(torch_writer), is_zip))


HUGE = 1 << 61


@BOTH
@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (0, (7,), (1,)),
        (6, (1,), (1,)),
        (5, (2,), (1,)),
        (0, (2, 2), (5, 1)),
        (-1, (2,), (1,)),
        (5, (3,), (-1,)),
        (0, (-1,), (1,)),
        (0, (2, 3), (1,)),
        (0, (), (1,)),
        (0, (2.0,), (1,)),
        (0, "ab", (1, 1)),
        (True, (2,), (1,)),
        (HUGE, (2,), (HUGE,)),
        (0, (2,), (HUGE,)),
        (0, (HUGE, 0, HUGE), (1, 1, 1)),
        (0, (1,) * 200, (1,) * 200),
        (0, (1 << 70,), (1,)),
    ],
)
def test_no_tensor_leaves_its_storage(
    torch_writer, refusal, is_zip, offset, shape, strides
):
    storage = torch_writer.storage("Float", ONES.tobytes(), 6)
    tensor = torch_writer.view(storage, offset, shape, strides)
    message = refusal(torch_writer.content({"a": tensor}, is_zip))
    assert "truncated or damaged" in message or "more values than" in message


@BOTH
@pytest.mark.parametrize("length", [7, 1000, 1 << 40, HUGE])
def test_repeated_values_take_no_memory(torch_writer, refusal, is_zip, length):
    storage = torch_writer.storage("Float", ONES.tobytes(), 6)
    tensor = torch_writer.view(storage, 0, (length,), (0,))
    message = refusal(torch_writer.content({"a": tensor}, is_zip))
    assert "'a' has more values than the file holds for it: save a copy" in message


@BOTH
@pytest.mark.parametrize("numel", [7, 1000, -1, 1 << 40, HUGE])
def test_a_storage_has_the_length_that_it_says(torch_writer, refusal, is_zip, numel):
    storage = torch_writer.storage("Float", ONES.tobytes(), numel)
    tensor = torch_writer.view(storage, 0, (1,), (1,))
    assert "truncated" in refusal(torch_writer.content({"a": tensor}, is_zip))


def test_the_stream_says_the_length_of_a_storage_twice(torch_writer, refusal):
    content = torch_writer.content({"a": torch_writer.tensor(ONES)}, is_zip=False)
    counted = struct.pack("<q", 6) + ONES.tobytes()
    assert content.endswith(counted)
    other = struct.pack("<q", 5) + ONES.tobytes()
    assert "truncated" in refusal(content.removesuffix(counted) + other)


def test_another_version_of_the_stream_is_refused(torch_writer, refusal):
    content = torch_writer.content({"a": torch_writer.tensor(ONES)}, is_zip=False)
    first, second = (b"\x8a\x09" + n.to_bytes(9, "little") for n in (1001, 1002))
    assert "truncated" in refusal(content.replace(first + b".", second + b"."))


@BOTH
def test_a_shape_without_end_takes_little_time(torch_writer, refusal, is_zip):
    storage = torch_writer.storage("Float", ONES.tobytes(), 6)
    axes = 300_000
    tensor = torch_writer.view(storage, 0, (HUGE,) * axes, (1,) * axes)
    start = time.process_time()
    assert "truncated" in refusal(torch_writer.content({"a": tensor}, is_zip))
    assert time.process_time() - start < 10


@pytest.mark.parametrize("key", ["../data.pkl", "/etc/passwd", "", "no\0name", "1"])
def test_a_storage_is_a_member_of_the_file(torch_writer, refusal, key):
    storage = torch_writer.storage("Float", ONES.tobytes(), 6, key=key)
    tensor = torch_writer.view(storage, 0, (1,), (1,))
    torch_writer.storages = {"0": torch_writer.storages[key]}
    assert "truncated" in refusal(torch_writer.content({"a": tensor}))
    assert "truncated" in refusal(torch_writer.content({"a": tensor}, is_zip=False))


@BOTH
def test_one_storage_is_not_two(torch_writer, refusal, is_zip):
    first = torch_writer.storage("Float", ONES.tobytes(), 6, key="0")
    second = torch_writer.storage("Int", ONES.tobytes(), 6, key="0")
    state = {
        "a": torch_writer.view(first, 0, (1,), (1,)),
        "b": torch_writer.view(second, 0, (1,), (1,)),
    }
    assert "truncated" in refusal(torch_writer.content(state, is_zip))


def test_a_zip_that_unpacks_to_more_than_itself_is_refused(torch_writer, refusal):
    zeros = np.zeros(5_000_000, "<f4")
    torch_writer.tensor(zeros)
    pickled = b"\x80\x02}."
    bomb = torch_writer.zip(pickled, zipfile.ZIP_DEFLATED)
    assert len(bomb) < 100_000
    assert "are compressed or share their bytes" in refusal(bomb)


def test_what_pytorch_never_compresses_is_not_unpacked(torch_writer, rng, refusal):
    array = rng.integers(0, 255, 100_000).astype("u1")  # which gets no smaller
    tensor = torch_writer.tensor(array, "Byte").operations
    pickled = b"\x80\x02}X\1\0\0\0a" + tensor + b"s."
    content = torch_writer.zip(pickled, zipfile.ZIP_DEFLATED)
    assert len(content) > len(array)
    assert "are compressed or share their bytes" in refusal(content)


def test_members_that_share_their_bytes_are_refused(refusal):
    """A thousand entries of the directory of a zip that are one file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x02}.")
        archive.writestr("a/data/0", bytes(10_000))
        first = archive.getinfo("a/data/0")
        for number in range(1, 1000):
            entry = zipfile.ZipInfo(f"a/data/{number}")
            for name in ("header_offset", "file_size", "compress_size", "CRC"):
                setattr(entry, name, getattr(first, name))
            archive.filelist.append(entry)
    assert "are compressed or share their bytes" in refusal(file.getvalue())


def test_two_members_of_one_name_are_refused(torch_writer, refusal):
    file = io.BytesIO(torch_writer.content({"a": torch_writer.tensor(ONES)}))
    with (
        zipfile.ZipFile(file, "a") as archive,
        pytest.warns(UserWarning, match="Duplicate"),
    ):
        archive.writestr("archive/data/0", ONES.tobytes())
    assert "truncated or damaged" in refusal(file.getvalue())


@pytest.mark.parametrize(
    "pickled",
    [
        b"\x80\x02Nr\xff\xff\xff\x7f.",  # a memo of 16 GB
        b"\x80\x02})" + b"\x85" * 200_000 + b"Ns.",  # a hash that overflows the stack
        b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".",  # deep lists
        b"\x80\x02)q\0" + b"h\0h\0\x86q\0" * 50_000 + b".",  # a tree of 2 ** 50000
        b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b".",  # a terabyte of bytes
        b"\x80\x02\x8b" + struct.pack("<i", 1_000_000) + b"\1" * 1_000_000 + b".",
        b"\x80\x02.",
        b"\x80\x02NNu.",
        b"\x80\x02}(Nu.",
        b"\x80\x02Na.",
        b"\x80\x02h\7.",
        b"\x80\x02t.",
        b"",
        b"\xff" * 20,
    ],
)
def test_a_pickle_takes_little_time_and_memory(torch_writer, refusal, pickled):
    start = time.process_time()
    assert "not used" in refusal(torch_writer.zip(pickled))
    assert time.process_time() - start < 10


def test_a_pickle_without_end_is_left(torch_writer, refusal):
    pickled = b"\x80\x02" + b"N" * 3_000_000 + b"."
    assert "truncated or damaged" in refusal(torch_writer.zip(pickled))


@BOTH
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(torch_writer, rng, refusal, is_zip, kept):
    state = {
        "a": torch_writer.tensor(rng.normal(size=(40, 3)).astype("<f4")),
        "b": torch_writer.tensor(ONES),
    }
    whole = torch_writer.content(state, is_zip)
    assert "truncated or damaged" in refusal(whole[: int(len(whole) * kept)])


@BOTH
def test_damaged_bytes_never_end_in_another_error(torch_writer, rng, refusal, is_zip):
    write = torch_writer
    state = {f"layer{n}.weight": write.tensor(ONES * n) for n in range(5)}
    state["half"] = write.tensor(ONES.astype("<f2"), "Half")
    whole = write.content({"epoch": 3, "model": state}, is_zip)
    messages = []
    for _ in range(400):
        content = bytearray(whole)
        for _ in range(rng.integers(1, 4)):
            content[rng.integers(len(content))] = rng.integers(256)
        try:
            formats.Source("x", {"x": bytes(content)}).tensors()
        except cry_hub.WeightsError as error:
            messages.append(str(error))
    # The stream has no sums: what is changed within a tensor is not seen there.
    assert len(messages) > (360 if is_zip else 200)
    assert not any("\n" in message or len(message) > 500 for message in messages)


def test_a_changed_value_is_seen_by_its_sum(torch_writer, refusal):
    content = bytearray(torch_writer.content({"a": torch_writer.tensor(ONES)}))
    content[content.index(ONES.tobytes())] ^= 1
    assert "truncated or damaged" in refusal(content)


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="compares with PyTorch")


@BOTH
@pytest.mark.parametrize("protocol", [2, 5])
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_what_pytorch_saves_is_read_as_it_reads_it(torch, tmp_path, is_zip, protocol):
    kernel = torch.randn(4, 3, 2)
    state = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)
    ).state_dict()
    state |= {
        "transposed": kernel.permute(2, 0, 1),
        "part": kernel[1:3, 1],
        "parameter": torch.nn.Parameter(kernel[0]),
        **{
            str(kind): kernel.to(kind)
            for kind in (torch.half, torch.bfloat16, torch.double, torch.bool)
        },
    }
    torch.save(
        {"iteration": 600_000, "model": state},
        tmp_path / "weights.pth",
        _use_new_zipfile_serialization=is_zip,
        pickle_protocol=protocol,
    )
    found = formats.read(tmp_path / "weights.pth").tensors()
    assert list(found) == list(state)
    for name, tensor in state.items():
        tensor = tensor.detach()
        if tensor.dtype in (torch.half, torch.bfloat16):
            tensor = tensor.float()
        np.testing.assert_array_equal(found[name], tensor.numpy())
        assert found[name].dtype == tensor.numpy().dtype


@BOTH
def test_pytorch_reads_what_the_writer_of_the_tests_writes(
    torch, torch_writer, tmp_path, is_zip
):
    path = tmp_path / "weights.pth"
    view = () if is_zip else (None,)
    storage = torch_writer.storage("Float", ONES.tobytes(), 6, *view)
    tensor = torch_writer.view(storage, 0, (2, 3), (3, 1))
    path.write_bytes(torch_writer.content({"a": tensor}, is_zip))
    found = torch.load(path, map_location="cpu", weights_only=True)
    np.testing.assert_array_equal(found["a"].numpy(), ONES)
