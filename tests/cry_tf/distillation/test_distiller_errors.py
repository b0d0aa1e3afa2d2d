"""What a Distiller refuses: the rule, what came, what to do."""

import keras
import numpy as np
import pytest

from cry_tf import Distiller
from cry_tf.distillation import FeatureMatching, schedule


@pytest.fixture(scope="module")
def networks(make_network):
    class Opaque(keras.Model):
        def call(self, inputs):
            return inputs

    inputs = keras.Input((5,))
    return {
        "teacher": make_network(6),
        "student": make_network(),
        "of four": make_network(labels=4),
        "sigmoid": make_network(activation="sigmoid"),
        "opaque": Opaque(),
        "relu": keras.Model(inputs, keras.layers.Dense(3, activation="relu")(inputs)),
        "sequence": make_sequence(),
    }


def make_sequence():
    inputs = keras.Input((None, 5))
    return keras.Model(inputs, keras.layers.Dense(3)(inputs))


@pytest.mark.parametrize(
    ("teacher", "student", "arguments", "sentence"),
    [
        (
            "teacher",
            "of four",
            {},
            r"same number of labels\. Received: 3 .* 4 .*labels",
        ),
        ("sigmoid", "student", {}, "same activation.*sigmoid and softmax"),
        ("opaque", "student", {}, "teacher must be a functional.*keras.Input"),
        ("teacher", "opaque", {}, "student must be a functional.*keras.Input"),
        ("relu", "student", {}, "end in logits.*ends in relu.*Name the layer"),
        ("sequence", "student", {}, r"one output \(batch, labels\).*None, 3"),
        ("missing", "student", {}, "teacher must be a Keras classifier"),
        ("teacher", "student", {"temperature": 0}, "temperature must be positive"),
        ("teacher", "student", {"temperature": -2.0}, "Received: temperature=-2.0"),
        ("teacher", "student", {"temperature": float("inf")}, "positive and finite"),
        ("teacher", "student", {"temperature": "4"}, "must be a number or a schedule"),
        ("teacher", "student", {"alpha": 1.5}, r"in \[0, 1\].*alpha=1.5.*Take 0"),
        ("teacher", "student", {"alpha": float("nan")}, "alpha=nan"),
        (
            *("teacher", "student"),
            {"temperature": schedule.Linear(4.0, 0.0, epochs=3)},
            "temperature=0.0",
        ),
        ("teacher", "student", {"teacher_weights": [1, 2]}, "one number.*1 teachers"),
        ("teacher", "student", {"teacher_weights": [0]}, "not all 0"),
        ("teacher", "student", {"features": "missing"}, "name a layer of the teacher"),
        ("teacher", "student", {"features": ("a", "b")}, "2 names for 1 teachers"),
        ("teacher", "student", {"activation": "relu"}, "softmax, sigmoid or None"),
        (None, "student", {"features": True}, "the length of its embedding.*1024"),
        ([], "student", {}, "none in a list"),
    ],
)
def test_what_cannot_be_distilled_is_refused(
    networks, teacher, student, arguments, sentence
):
    if isinstance(teacher, str):
        teacher = networks.get(teacher, "a string")
    with pytest.raises(ValueError, match=sentence):
        Distiller(teacher, networks[student], **arguments)


def test_other_labels_are_refused_by_name(make_classifier):
    teacher = make_classifier(labels=("low", "high", "hum"))
    with pytest.raises(
        ValueError, match="hum of the teacher.*none of the student.*Buil"
    ):
        Distiller(teacher, make_classifier())


@pytest.mark.parametrize(
    ("x", "y", "sentence"),
    [
        ({}, [0, 1], "Without a teacher the data must bring teacher_logits"),
        ({"teacher_logits": np.zeros((2, 4), "f4")}, [0, 1], r"\(batch, 3\).*\(2, 4\)"),
        ({"logits": np.zeros((2, 3), "f4")}, [0, 1], "a dict with 'waveform' and any"),
        ({"teacher_logits": np.zeros((2, 3), "f4")}, [[0, 1], [1, 0]], "y must be"),
        (
            {"teacher_logits": np.zeros((2, 3), "f4")},
            [0, 3],
            "places in the 3 of the model",
        ),
    ],
)
def test_data_that_the_loss_cannot_use_are_refused(make_network, x, y, sentence):
    distiller = Distiller(None, make_network())
    distiller.compile(run_eagerly=True)
    with pytest.raises(Exception, match=sentence) as caught:
        distiller.train_on_batch({"waveform": np.zeros((2, 5), "f4"), **x}, np.array(y))
    assert type(caught.value).__name__ in ("ValueError", "InvalidArgumentError")


def test_a_loss_and_impossible_class_weights_are_refused(make_network, vectors):
    distiller = Distiller(make_network(6), make_network())
    with pytest.raises(ValueError, match="brings its own loss.*Leave it out"):
        distiller.compile("adam", "sparse_categorical_crossentropy")
    distiller.compile(run_eagerly=True)
    for weights in ({3: 1.0}, {0: -1.0}):
        with pytest.raises(ValueError, match="class_weight must give places"):
            distiller.fit(vectors, np.zeros(8), class_weight=weights, verbose=0)
    several = Distiller(*(make_network(activation="sigmoid") for _ in range(2)))
    several.compile(run_eagerly=True)
    with pytest.raises(ValueError, match="one label each.*Give sample_weight"):
        several.fit(vectors, np.zeros((8, 3)), class_weight={0: 2.0}, verbose=0)


def test_a_student_that_is_frozen_is_refused(make_network, vectors):
    student = make_network()
    student.trainable = False
    distiller = Distiller(make_network(6), student)
    distiller.compile(run_eagerly=True)
    with pytest.raises(ValueError, match="something to train.*Set trainable=True"):
        distiller.train_on_batch(vectors, np.zeros(8))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"loss": "l1"}, "loss must be one of mse, cosine"),
        ({"weight": 0.0}, "positive and finite.*weight=0.0"),
        ({"teacher_features": 0}, "teacher_features must be positive"),
    ],
)
def test_features_are_checked(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        FeatureMatching(**arguments)
