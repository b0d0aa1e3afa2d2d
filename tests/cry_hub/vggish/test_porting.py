"""Google's VGGish as the checkpoint of TensorFlow 1 and as SavedModel."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import cry_hub
from cry_hub import formats, porting
from cry_hub.vggish.porting import scope_name, slim_layout
from cry_hub.vggish.vggish import CONV_GROUPS, DENSE_LAYERS, layer_name

tf1 = tf.compat.v1


@pytest.fixture(scope="module")
def model():
    """The layers of VGGish by their names, with a few channels each.

    The layout reads nothing else; `test_vggish.py` has the network of 290 MB.
    """
    x = inputs = keras.Input((6, 4, 2))
    for group in CONV_GROUPS:
        for number, (scope, _) in enumerate(group, start=3):
            x = keras.layers.Conv2D(number, 3, padding="same", name=layer_name(scope))(
                x
            )
    x = keras.layers.Flatten()(x)
    for number, (scope, _) in enumerate(DENSE_LAYERS, start=5):
        x = keras.layers.Dense(number, name=layer_name(scope))(x)
    return keras.Model(inputs, x)


SCOPES = (
    *("conv1", "conv2", "conv3/conv3_1", "conv3/conv3_2", "conv4/conv4_1"),
    *("conv4/conv4_2", "fc1/fc1_1", "fc1/fc1_2", "fc2"),
)


@pytest.fixture(scope="module")
def tensors(model) -> dict[str, np.ndarray]:
    """Random weights under the names of Google's checkpoint."""
    rng = np.random.default_rng(0)
    arrays = {}
    for scope in SCOPES:
        layer = model.get_layer(scope.rpartition("/")[2])
        for name, variable in (("weights", layer.kernel), ("biases", layer.bias)):
            value = rng.standard_normal(variable.shape, "float32")
            arrays[f"vggish/{scope}/{name}"] = value
    return arrays


def ported(model, tensors) -> dict[str, np.ndarray]:
    """The weights of the model after porting, by the names of the checkpoint."""
    for variable in model.weights:
        variable.assign(np.zeros(variable.shape))
    layouts = (slim_layout(model), porting.native_layout(model))
    porting.port_tensors(layouts, tensors, "here")
    return {
        f"vggish/{scope}/{name}": np.asarray(variable)
        for scope in SCOPES
        for name, variable in zip(
            ("weights", "biases"),
            model.get_layer(scope.rpartition("/")[2]).weights,
            strict=True,
        )
    }


def refused(model, tensors) -> str:
    with pytest.raises(cry_hub.WeightsError) as error:
        ported(model, tensors)
    return str(error.value)


def same(found, expected) -> None:
    assert set(found) == set(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("version", ["V1", "V2"])
def test_the_checkpoint_of_somebodys_training_is_ported(
    model, tensors, tmp_path, version
):
    path = tmp_path / "vggish_model.ckpt"
    state = {
        "vggish/fc2/biases/Adam": tensors["vggish/fc2/biases"] + 1,
        "vggish/fc2/biases/Adam_1": tensors["vggish/fc2/biases"] + 2,
        "beta1_power": np.float32(0.9),
        "global_step": np.int64(30),
    }
    with tf.Graph().as_default(), tf1.Session() as session:
        for name, array in {**tensors, **state}.items():
            tf1.get_variable(name, initializer=array)
        session.run(tf1.global_variables_initializer())
        saver = tf1.train.Saver(write_version=getattr(tf1.train.SaverDef, version))
        saver.save(session, str(path), write_meta_graph=False)
    found = formats.read(path).tensors()
    same(found, {**tensors, **state})
    same(ported(model, found), tensors)


@pytest.mark.parametrize("path", ["{}", "{}:0", "vggish/{}:0", "a/b/{}:0"])
def test_what_stands_around_the_name_is_taken_away(path):
    name = "vggish/conv3/conv3_1/weights"
    assert scope_name(path.format(name)) == name


def test_the_variables_of_the_saved_model_of_the_hub_are_ported(
    model, tensors, tmp_path
):
    module = tf.Module()
    module.all = [tf.Variable(each, name=f"module/{n}") for n, each in tensors.items()]
    module.__call__ = tf.function(
        lambda waveform: (
            tf.reshape(waveform[:128], (1, 128)) + module.all[0][0, 0, 0, 0]
        ),
        [tf.TensorSpec([None], tf.float32)],
    )
    tf.saved_model.save(module, str(tmp_path / "vggish_1"))
    found = formats.read(tmp_path / "vggish_1").tensors()
    same(found, {f"module/{name}": each for name, each in tensors.items()})
    same(ported(model, found), tensors)


@pytest.mark.parametrize("outer", ["", "module/"])
def test_the_state_of_an_optimizer_is_passed_over(model, tensors, outer):
    names = ("global_step", "beta1_power", "beta2_power") + tuple(
        f"vggish/fc2/biases/{slot}"
        for slot in ("Adam", "Adam_1", "Momentum", "RMSProp")
    )
    state = {f"{outer}{name}": tensors["vggish/fc2/biases"] for name in names}
    same(ported(model, {**state, **tensors}), tensors)


@pytest.mark.parametrize(
    "name",
    ["mynet/fc1/biases", "vggish/fc3/biases", "vggish/fc2/biases/Adam/weights", "Adam"],
)
def test_a_tensor_of_another_network_is_refused_by_its_name(model, tensors, name):
    more = {**tensors, name: np.zeros(128, "float32")}
    assert f"{name} (128,) has no place in the model" in refused(model, more)


def test_two_tensors_for_one_place_are_refused(model, tensors):
    more = {"teacher/vggish/fc2/biases": tensors["vggish/fc2/biases"], **tensors}
    message = refused(model, more)
    assert (
        "teacher/vggish/fc2/biases and vggish/fc2/biases are both vggish/fc2/biases"
    ) in message
