import subprocess
import sys

import keras
import numpy as np
import pytest

from cry_tf import CryClassifier, Distiller
from cry_tf.distillation import FeatureMatching, schedule

LABELS = np.array([0, 2, -1, 1, 1, -1, 0, 2])


@pytest.mark.parametrize("features", [None, True])
def test_only_the_student_learns(make_network, vectors, features, eager):
    teacher, student = make_network(9), make_network()
    before, own = teacher.get_weights(), student.get_weights()
    flags = [layer.trainable for layer in teacher.layers]
    distiller = eager(Distiller(teacher, student, features=features), "adam")
    projection = distiller.projection.get_weights() if features else []
    distiller.train_on_batch(vectors, LABELS)
    for old, new in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert [layer.trainable for layer in teacher.layers] == flags
    for old, new in zip(own, student.get_weights(), strict=True):
        assert (old != new).any()
    if features:
        assert (projection[0] != distiller.projection.get_weights()[0]).any()
    trained = {id(v) for v in distiller.trainable_variables}
    assert trained.isdisjoint(id(v) for v in teacher.variables)
    assert trained.isdisjoint(id(v) for v in distiller.non_trainable_variables)
    assert len(trained) == len(student.trainable_variables) + 2 * bool(features)


@pytest.mark.parametrize("features", [None, True])
def test_batch_norm_moves_once_a_step(make_network, vectors, features, eager):
    teacher, student = make_network(9), make_network()
    twin = keras.models.clone_model(student)
    twin.set_weights(student.get_weights())
    twin(vectors, training=True)
    distiller = eager(Distiller(teacher, student, features=features))
    distiller.train_on_batch(vectors, LABELS)
    for moved, once in zip(
        student.get_layer("norm").non_trainable_variables,
        twin.get_layer("norm").non_trainable_variables,
        strict=True,
    ):
        np.testing.assert_allclose(moved, once, rtol=1e-6)


def test_cached_logits_train_as_the_teacher_does(
    make_network, vectors, logits_of, eager
):
    teacher = make_network(9)
    cached = {"waveform": vectors, "teacher_logits": logits_of(teacher, vectors)}
    trained = []
    for given, x in ((teacher, vectors), (None, cached), (teacher, cached)):
        student = make_network()
        distiller = eager(Distiller(given, student, temperature=2.0))
        trained.append((distiller.train_on_batch(x, LABELS), student.get_weights()))
    for losses, weights in trained[1:]:
        np.testing.assert_allclose(losses, trained[0][0], rtol=1e-5)
        for one, other in zip(weights, trained[0][1], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_a_run_that_was_saved_goes_on_as_if_it_had_not_been(
    make_network, vectors, tmp_path, eager
):
    def make():
        distiller = Distiller(
            [make_network(9), make_network(7)],
            make_network(penalty=keras.regularizers.L2(0.01)),
            temperature=schedule.Linear(6.0, 2.0, epochs=4),
            alpha=schedule.Cosine(0.0, 0.8, epochs=4),
            teacher_weights=(2, 1),
            features=FeatureMatching(teacher_layer=("embedding", "norm")),
        )
        distiller.projection.kernel.assign(np.ones((4, 16)))
        return eager(distiller, "adam", metrics=["accuracy"])

    def fit(distiller, first, last):
        return distiller.fit(
            *(vectors, LABELS, 4, last), initial_epoch=first, shuffle=False, verbose=0
        ).history

    whole, parts = make(), make()
    history = fit(whole, 0, 4)
    fit(parts, 0, 2)
    evaluated = parts.evaluate(vectors, LABELS, verbose=0)
    parts.save(tmp_path / "distiller.keras")
    loaded = keras.saving.load_model(tmp_path / "distiller.keras")
    again = loaded.evaluate(vectors, LABELS, verbose=0)
    np.testing.assert_allclose(again, evaluated, rtol=1e-6)
    for name, values in fit(loaded, 2, 4).items():
        np.testing.assert_allclose(values, history[name][2:], rtol=1e-5, err_msg=name)
    for one, other in zip(
        whole.student.get_weights(), loaded.student.get_weights(), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_the_student_is_a_plain_classifier(make_classifier, tmp_path, rng, eager):
    student = make_classifier(1)
    distiller = eager(Distiller(make_classifier(2, units=3), student, features=True))
    x = rng.normal(size=(3, 900)).astype(np.float32) * 0.1
    distiller.train_on_batch(x, np.array([0, 1, -1]))
    assert distiller.student is student
    distiller.save(tmp_path / "distiller.keras")
    loaded = keras.saving.load_model(tmp_path / "distiller.keras").student
    assert type(loaded) is CryClassifier
    assert loaded.labels == ("low", "high", "none")
    np.testing.assert_allclose(loaded(x), student(x), rtol=1e-6)
    np.testing.assert_array_equal(distiller(x), student(x))


def test_a_schedule_reaches_the_compiled_graph(make_network, vectors):
    distiller = Distiller(
        make_network(9),
        make_network(),
        temperature=schedule.Linear(1.0, 8.0, epochs=2),
        alpha=schedule.Linear(1.0, 0.0, epochs=2),
    )
    distiller.compile(keras.optimizers.SGD(0.0))
    history = distiller.fit(vectors, LABELS, epochs=2, batch_size=8, verbose=0).history
    assert history["loss"][0] == pytest.approx(0.75 * history["hard_loss"][0], rel=1e-5)
    assert history["loss"][1] == pytest.approx(history["soft_loss"][1], rel=1e-5)
    assert history["soft_loss"][1] > 2 * history["soft_loss"][0]


_TWO_DEVICES = """
import keras, numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
from cry_tf import Distiller

def network(units):
    keras.utils.set_random_seed(units)
    penalty = keras.regularizers.L2(0.1)
    inputs = keras.Input((6,))
    hidden = keras.layers.Dense(units, "relu", kernel_regularizer=penalty)(inputs)
    return keras.Model(inputs, keras.layers.Dense(3, "softmax")(hidden))

def train():
    x = np.random.default_rng(0).normal(size=(64, 6)).astype("float32")
    y = np.arange(64) % 4 - 1
    distiller = Distiller(network(16), network(4), features=True)
    distiller.projection.kernel.assign(np.ones((4, 16)))
    distiller.compile("sgd", metrics=["accuracy"])
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(16)
    history = distiller.fit(data, epochs=2, verbose=0, class_weight={1: 3.0}).history
    return history, distiller.student.get_weights()

one = train()
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    other = train()
for name, values in one[0].items():
    np.testing.assert_allclose(values, other[0][name], rtol=1e-5, err_msg=name)
for a, b in zip(one[1], other[1], strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
"""


@pytest.mark.slow
def test_two_devices_train_what_one_does():
    subprocess.run([sys.executable, "-c", _TWO_DEVICES], check=True)


@pytest.mark.slow
def test_xla_changes_nothing(make_network, vectors):
    histories = []
    for jit_compile in (False, True):
        distiller = Distiller(make_network(9), make_network(), features=True)
        distiller.projection.kernel.assign(np.ones((4, 9)))
        distiller.compile("adam", metrics=["accuracy"], jit_compile=jit_compile)
        fitted = distiller.fit(vectors, LABELS, epochs=3, shuffle=False, verbose=0)
        histories.append(fitted.history)
    for name, values in histories[0].items():
        np.testing.assert_allclose(values, histories[1][name], rtol=1e-4, err_msg=name)
