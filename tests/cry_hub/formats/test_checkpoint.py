"""TensorFlow's checkpoints: V1, one file; V2, an index and data files."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import tensorflow as tf

import cry_hub
from cry_hub import formats

tf1 = tf.compat.v1


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "vggish/conv1/weights": rng.normal(size=(3, 3, 1, 64)).astype("float32"),
        "vggish/fc2/biases": rng.normal(size=128).astype("float32"),
        "global_step": np.array(7, "int64"),
    }


@pytest.fixture(scope="module")
def written(arrays, tmp_path_factory):
    """A folder with `model.ckpt` in V1 and `model2.ckpt` in V2."""
    folder = tmp_path_factory.mktemp("checkpoints")
    with tf.Graph().as_default(), tf1.Session() as session:
        for name, array in arrays.items():
            tf1.get_variable(name, initializer=array)
        session.run(tf1.global_variables_initializer())
        for name, version in (
            ("model.ckpt", tf1.train.SaverDef.V1),
            ("model2.ckpt", tf1.train.SaverDef.V2),
        ):
            tf1.train.Saver(write_version=version).save(
                session, str(folder / name), write_meta_graph=False
            )
    return folder


@pytest.fixture
def folder(written, tmp_path):
    """A copy of the folder, to be damaged."""
    # TensorFlow takes brackets in a path for a pattern.
    return shutil.copytree(written, tmp_path / "copy [1]")


def message_of(path) -> str:
    with pytest.raises(cry_hub.WeightsError) as error:
        formats.read(path).tensors()
    assert "\n" not in str(error.value)
    assert str(path.parent) in str(error.value)
    return str(error.value)


DATA = "model2.ckpt.data-00000-of-00001"


@pytest.mark.parametrize("name", ["model.ckpt", "model2.ckpt", "model2.ckpt.index"])
def test_tensors_come_by_their_names(folder, arrays, name):
    found = formats.read(folder / name).tensors()
    assert set(found) == set(arrays)
    for key, array in arrays.items():
        np.testing.assert_array_equal(found[key], array)
        assert found[key].dtype == array.dtype


def test_a_v1_file_is_known_by_its_content(folder, arrays):
    renamed = (folder / "model.ckpt").rename(folder / "vggish.npz")
    assert set(formats.read(renamed).tensors()) == set(arrays)


def test_the_digest_of_v2_is_of_all_its_files(folder):
    source = formats.read(folder / "model2.ckpt")
    assert set(source.files) == {"model2.ckpt.index", DATA}
    assert source.sha256 == formats.read(folder / "model2.ckpt.index").sha256
    content = bytearray((folder / DATA).read_bytes())
    content[0] ^= 1
    (folder / DATA).write_bytes(content)
    assert formats.read(folder / "model2.ckpt").sha256 != source.sha256


@pytest.mark.parametrize("shards", [2, 3])
def test_tensors_in_several_data_files_are_put_together(tmp_path, arrays, shards):
    prefix = str(tmp_path / "model")
    names = list(arrays)
    parts = []
    for shard in range(shards):
        mine = names[shard::shards]
        parts.append(f"{prefix}_part{shard}")
        tf.raw_ops.SaveV2(
            prefix=parts[-1],
            tensor_names=mine,
            shape_and_slices=[""] * len(mine),
            tensors=[tf.constant(arrays[name]) for name in mine],
        )
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=parts, destination_prefix=prefix)
    found = formats.read(tmp_path / "model").tensors()
    for key, array in arrays.items():
        np.testing.assert_array_equal(found[key], array)
    last = f"model.data-{shards - 1:05d}-of-{shards:05d}"
    (tmp_path / last).unlink()
    assert f"{last} is missing beside its model.index" in message_of(tmp_path / "model")


def test_a_data_file_alone_points_to_its_index(folder):
    assert "give model2.ckpt.index beside it" in message_of(folder / DATA)


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("name", ["model.ckpt", "model2.ckpt.index", DATA])
def test_a_truncated_file_is_refused(folder, name, kept):
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: int(len(whole) * kept)])
    given = name if name == "model.ckpt" else "model2.ckpt"
    message = message_of(folder / given)
    # Without its end a V1 file has nothing that tells what it was.
    assert "damaged" in message or "empty file" in message


@pytest.mark.parametrize("name", ["model.ckpt", "model2.ckpt.index", DATA])
def test_damaged_bytes_are_refused_or_say_nothing(folder, arrays, name, rng):
    whole = (folder / name).read_bytes()
    given = name if name == "model.ckpt" else "model2.ckpt"
    messages = []
    for _ in range(20):
        content = bytearray(whole)
        content[rng.integers(len(content))] ^= 1 << rng.integers(8)
        (folder / name).write_bytes(content)
        try:
            found = formats.read(folder / given).tensors()
        except cry_hub.WeightsError as error:
            messages.append(str(error))
            continue
        # The sums see every changed value.
        for key, array in arrays.items():
            np.testing.assert_array_equal(found[key], array)
    assert len(messages) > 10
    assert not any("\n" in message for message in messages)
