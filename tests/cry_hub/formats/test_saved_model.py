"""Variables of SavedModels by their names, of programs that never run."""

from __future__ import annotations

import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

import cry_hub
from cry_hub import formats


class HubYAMNet(tf.Module):
    """A module with the signature of YAMNet on TensorFlow Hub and few layers."""

    def __init__(self, arrays):
        super().__init__()
        # Variables in a list, a dict and a module: other ways, other keys in the
        # checkpoint, than their names.
        first, second, *rest = (
            tf.Variable(array, name=name) for name, array in arrays.items()
        )
        self.layers = [first]
        self.head = {"kernel": second}
        self.inner = tf.Module()
        self.inner.others = rest
        self.again = first

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def __call__(self, waveform):
        patches = tf.signal.frame(waveform, 15_600, 7_680)[:, :64]
        embeddings = tf.repeat(patches, 16, axis=1)
        scores = tf.sigmoid(embeddings @ self.head["kernel"])
        log_mel = patches + tf.reduce_sum(self.layers[0])
        return {"predictions": scores, "embeddings": embeddings, "log_mel": log_mel}


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = {
        "layer1/conv/kernel": (3, 3, 1, 32),
        "dense/kernel": (1024, 521),
        "layer1/conv/bn/beta": (32,),
        "layer1/conv/bn/moving_mean": (32,),
    }
    return {
        name: rng.normal(size=shape).astype("float32") for name, shape in shapes.items()
    }


@pytest.fixture(scope="module")
def written(arrays, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub") / "yamnet_1"
    tf.saved_model.save(HubYAMNet(arrays), str(folder))
    return folder


@pytest.fixture
def folder(written, tmp_path):
    return shutil.copytree(written, tmp_path / "yamnet_1")


def message_of(path) -> str:
    with pytest.raises(cry_hub.WeightsError) as error:
        formats.read(path).tensors()
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)
    return str(error.value)


def same(found, expected) -> None:
    assert set(found) == set(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


def test_variables_come_by_their_names(folder, arrays, monkeypatch):
    def run(*_, **__):
        raise AssertionError("the program was loaded")

    monkeypatch.setattr(tf.saved_model, "load", run)
    monkeypatch.setattr(tf, "import_graph_def", run)
    source = formats.read(folder)
    assert set(source.files) == {
        "saved_model.pb",
        "variables/variables.index",
        "variables/variables.data-00000-of-00001",
    }
    same(source.tensors(), arrays)


def test_the_names_are_not_those_of_the_checkpoint(folder, arrays):
    keys = formats.read(folder / "variables" / "variables").tensors()
    assert not set(keys) & set(arrays)


def test_a_model_of_keras_is_read(tmp_path, rng):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, name="dense")])
    model.export(tmp_path / "model", verbose=False)
    found = formats.read(tmp_path / "model").tensors()
    # Keras numbers the model's own name.
    by_layer = {name[name.index("dense/") :]: each for name, each in found.items()}
    kernel, bias = model.get_weights()
    same(by_layer, {"dense/kernel": kernel, "dense/bias": bias})


def test_a_wrapped_program_of_tensorflow_1_is_read(tmp_path, arrays):
    def network(waveform):
        variables = [
            tf.compat.v1.get_variable(name, initializer=array)
            for name, array in arrays.items()
        ]
        return waveform + tf.add_n([tf.reduce_sum(each) for each in variables])

    wrapped = tf.compat.v1.wrap_function(network, [tf.TensorSpec([None])])
    module = tf.Module()
    module.kept = wrapped.variables
    module.__call__ = tf.function(wrapped, [tf.TensorSpec([None])])
    tf.saved_model.save(module, str(tmp_path / "model"))
    same(formats.read(tmp_path / "model").tensors(), arrays)


def test_a_saved_model_of_tensorflow_1_has_the_names_in_its_checkpoint(
    tmp_path, arrays
):
    tf1 = tf.compat.v1
    with tf.Graph().as_default(), tf1.Session() as session:
        for name, array in arrays.items():
            tf1.get_variable(name, initializer=array)
        session.run(tf1.global_variables_initializer())
        builder = tf1.saved_model.Builder(str(tmp_path / "model"))
        builder.add_meta_graph_and_variables(session, ["serve"])
        builder.save()
    same(formats.read(tmp_path / "model").tensors(), arrays)


def test_two_variables_of_one_name_are_refused(tmp_path):
    module = tf.Module()
    module.one = tf.Variable(1.0, name="kernel")
    module.two = tf.Variable(2.0, name="kernel")
    tf.saved_model.save(module, str(tmp_path / "model"))
    assert "two of its variables are named 'kernel' and differ" in message_of(
        tmp_path / "model"
    )


def test_without_its_data_it_is_refused(folder):
    data = "variables.data-00000-of-00001"
    (folder / "variables" / data).unlink()
    message = message_of(folder)
    assert f"{data} is missing beside its variables.index" in message
    shutil.rmtree(folder / "variables")
    assert "a SavedModel without its variables/variables.index" in message_of(folder)


def test_the_program_alone_points_to_its_folder(folder):
    assert "give its folder" in message_of(folder / "saved_model.pb")


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize(
    "name", ["saved_model.pb", "variables/variables.data-00000-of-00001"]
)
def test_a_truncated_file_is_refused(folder, name, kept):
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: int(len(whole) * kept)])
    assert "truncated or damaged" in message_of(folder)
