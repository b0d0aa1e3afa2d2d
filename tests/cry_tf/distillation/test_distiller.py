import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from cry_hub.patches import MeanOverPatches
from cry_tf import CryClassifier, Distiller
from cry_tf.distillation import FeatureMatching, schedule
from cry_tf.distillation.resampling import Resampler
from cry_tf.distillation.tap import Tap

LABELS = np.array([0, 2, -1, 1, 1, -1, 0, 2])
HOT = np.array(
    [[0, 1, 1], [-1, -1, -1], [0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0]]
    + 2 * [[0] * 3]
)


def softmax(logits):
    scores = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return scores / scores.sum(axis=-1, keepdims=True)


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


def divergence(p, q):
    return p * np.log(p / q)


def reference(y, teachers, student, temperature, alpha, activation="softmax"):
    """The loss of each clip as PAPERS.md writes it, float64, equal teachers."""
    teachers, student = (np.asarray(each, np.float64) for each in (teachers, student))
    if activation == "softmax":
        p = softmax(teachers / temperature).mean(axis=0)
        soft = divergence(p, softmax(student / temperature)).sum(axis=-1)
        is_labelled = y >= 0
        hard = -np.log(softmax(student)[np.arange(len(y)), y])
    else:
        p = sigmoid(teachers / temperature).mean(axis=0)
        q = sigmoid(student / temperature)
        soft = (divergence(p, q) + divergence(1 - p, 1 - q)).mean(axis=-1)
        is_labelled = (y >= 0).all(axis=-1)
        q = sigmoid(student)
        hard = -(y * np.log(q) + (1 - y) * np.log(1 - q)).mean(axis=-1)
    hard = np.where(is_labelled, hard, 0)
    return alpha * hard + (1 - alpha) * temperature**2 * soft


def logits_of(model, x):
    return keras.Model(model.input, model.get_layer("logits").output)(x).numpy()


def eager(distiller, optimizer="sgd", **kwargs):
    distiller.compile(optimizer, run_eagerly=True, **kwargs)
    return distiller


@pytest.mark.parametrize(
    ("activation", "y"),
    [("softmax", LABELS), ("sigmoid", HOT), ("softmax", HOT[:, :1])],
)
def test_the_loss_is_that_of_the_paper(make_network, vectors, activation, y):
    teacher = make_network(9, activation=activation, seed=3)
    student = make_network(activation=activation)
    found = eager(
        Distiller(teacher, student, temperature=3.0, alpha=0.3)
    ).test_on_batch(vectors, y, return_dict=True)
    losses = reference(
        y if activation == "sigmoid" else y.reshape(-1),
        logits_of(teacher, vectors)[None],
        logits_of(student, vectors),
        3.0,
        0.3,
        activation,
    )
    # float32 against float64, times T² = 9.
    np.testing.assert_allclose(found["loss"], losses.mean(), rtol=1e-5)
    assert found["loss"] == pytest.approx(
        0.3
        * found["hard_loss"]
        * (1 - 0.25 * (y is LABELS) - 0.125 * (y is not LABELS))
        + 0.7 * found["soft_loss"],
        rel=1e-5,
    )


def test_a_place_is_a_truth_of_one_label_for_a_sigmoid(make_network, vectors):
    networks = [make_network(n, activation="sigmoid", seed=n) for n in (9, 4)]
    distiller = eager(Distiller(*networks))
    rows = np.where(LABELS[:, None] < 0, -1, np.eye(3)[LABELS])
    np.testing.assert_allclose(
        distiller.test_on_batch(vectors, LABELS)[0],
        distiller.test_on_batch(vectors, rows)[0],
        rtol=1e-6,
    )


def test_shares_of_labels_are_a_truth_too(make_network, vectors, rng):
    teacher, student = make_network(9), make_network()
    shares = softmax(rng.normal(size=(8, 3)))
    distiller = eager(Distiller(teacher, student, alpha=1.0))
    found = distiller.test_on_batch(vectors, shares, return_dict=True)
    expected = -(shares * np.log(softmax(logits_of(student, vectors)))).sum(axis=-1)
    np.testing.assert_allclose(found["loss"], expected.mean(), rtol=1e-5)


def test_several_teachers_are_heard_by_their_weights(make_network, vectors):
    teachers = [make_network(units, seed=units) for units in (6, 7)]
    student = make_network()
    logits = np.stack([logits_of(teacher, vectors) for teacher in teachers])
    own = logits_of(student, vectors)
    equal = eager(Distiller(teachers, student, temperature=2.0, alpha=0.0))
    expected = reference(LABELS, logits, own, 2.0, 0.0)
    np.testing.assert_allclose(
        equal.test_on_batch(vectors, LABELS)[0], expected.mean(), rtol=1e-5
    )
    # Three of the first and one of the second, by weight or one by one.
    weighted = eager(Distiller(teachers, student, 2.0, 0.0, teacher_weights=(3, 1)))
    expected = reference(LABELS, logits[[0, 0, 0, 1]], own, 2.0, 0.0)
    np.testing.assert_allclose(
        weighted.test_on_batch(vectors, LABELS)[0], expected.mean(), rtol=1e-5
    )
    cached = eager(Distiller(None, student, 2.0, 0.0, teacher_weights=(3, 1)))
    x = {"waveform": vectors, "teacher_logits": logits.transpose(1, 0, 2)}
    np.testing.assert_allclose(
        cached.test_on_batch(x, LABELS)[0], expected.mean(), rtol=1e-5
    )


@pytest.mark.parametrize("ending", ["layer", "linear", "scores"])
@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_logits_are_found_however_a_network_ends(
    make_network, vectors, activation, ending
):
    named = make_network(activation=activation)
    teacher = named
    if ending == "linear":
        teacher = keras.Model(named.input, named.get_layer("logits").output)
    if ending == "scores":
        teacher = keras.Sequential([keras.Input((5,)), named])
    student = make_network(seed=5, activation=activation)
    found = eager(Distiller(teacher, student, 4.0, 0.0)).test_on_batch(vectors, None)
    expected = reference(
        *(HOT if activation == "sigmoid" else LABELS,),
        *(logits_of(named, vectors)[None], logits_of(student, vectors), 4.0, 0.0),
        activation,
    )
    # Scores of float32 taken back to logits lose some digits.
    np.testing.assert_allclose(found[0], expected.mean(), rtol=1e-4)


@pytest.mark.parametrize("features", [None, True])
def test_only_the_student_learns(make_network, vectors, features):
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
def test_batch_norm_moves_once_a_step(make_network, vectors, features):
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


def test_a_weight_of_100_counts_a_clip_a_hundred_times(make_network, vectors):
    teacher, student = make_network(9), make_network()
    weights = np.array([100, 1, 1, 1, 1, 1, 1, 0.5])
    losses = reference(
        LABELS, logits_of(teacher, vectors)[None], logits_of(student, vectors), 4.0, 0.3
    )
    distiller = eager(Distiller(teacher, student))
    found = distiller.test_on_batch(vectors, LABELS, sample_weight=weights)
    # Keras divides by the number of clips, not by the sum of their weights.
    np.testing.assert_allclose(found[0], (weights * losses).sum() / 8, rtol=1e-5)

    def trained(weights):
        distiller = eager(Distiller(teacher, make_network()))
        return distiller.train_on_batch(vectors, LABELS, sample_weight=weights)[0]

    first = np.arange(8) == 0
    np.testing.assert_allclose(
        trained(1.0 + 99 * first[:, None]),
        trained(None) + 99 * trained(1.0 * first),
        rtol=1e-5,
    )


@pytest.mark.parametrize("data", ["arrays", "tf.data"])
def test_class_weights_weigh_clips_by_their_label(make_network, vectors, data):
    class_weight = {0: 100.0, 2: 0.5}
    weights = np.array([100, 0.5, 1, 1, 1, 1, 100, 0.5])
    trained = []
    for kwargs in ({"class_weight": class_weight}, {"sample_weight": weights}, {}):
        distiller = eager(Distiller(make_network(9), make_network()))
        x = (vectors, LABELS)
        if data == "tf.data" and "class_weight" in kwargs:
            x = (tf.data.Dataset.from_tensor_slices(x).batch(8),)
        history = distiller.fit(
            *x,
            batch_size=8 if len(x) > 1 else None,
            shuffle=False,
            verbose=0,
            **kwargs,
        )
        trained.append((history.history["loss"][0], distiller.student.get_weights()))
    assert trained[0][0] == pytest.approx(trained[1][0], rel=1e-6)
    assert trained[0][0] > 2 * trained[2][0]
    for one, other in zip(trained[0][1], trained[1][1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_class_weights_end_with_the_fit_and_take_one_score_for_two_classes(
    make_network, vectors
):
    student = make_network(labels=1, activation="sigmoid")
    distiller = Distiller(make_network(9, labels=1, activation="sigmoid"), student)
    eager(distiller, keras.optimizers.SGD(0.0))
    y = np.array([0, 1, 1, 0, 0, -1, 1, 0])
    before = distiller.evaluate(vectors, y, verbose=0)[0]
    heavy = distiller.fit(vectors, y, batch_size=8, class_weight={1: 100.0}, verbose=0)
    assert heavy.history["loss"][0] > 3 * before
    assert distiller.evaluate(vectors, y, verbose=0)[0] != pytest.approx(
        heavy.history["loss"][0]
    )
    assert distiller.train_on_batch(vectors, y)[0] < heavy.history["loss"][0] / 3


def test_the_students_penalties_count_and_the_teachers_do_not(make_network, vectors):
    penalty = keras.regularizers.L2(0.5)
    teacher = make_network(9, penalty=penalty)
    plain = eager(Distiller(teacher, make_network()))
    student = make_network(penalty=penalty)
    kernel = student.get_layer("embedding").kernel.numpy()
    found = eager(Distiller(teacher, student)).test_on_batch(vectors, LABELS)[0]
    expected = plain.test_on_batch(vectors, LABELS)[0] + 0.5 * (kernel**2).sum()
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("loss", ["mse", "cosine"])
def test_features_come_close_through_a_projection(make_network, vectors, loss):
    teacher, student = make_network(9), make_network()
    matching = FeatureMatching(
        loss=loss, weight=2.0, teacher_layer="embedding", student_layer="embedding"
    )
    distiller = eager(Distiller(teacher, student, features=matching))
    without = eager(Distiller(teacher, student)).test_on_batch(vectors, LABELS)[0]
    wanted, own = (
        keras.Model(model.input, model.get_layer("embedding").output)(vectors).numpy()
        for model in (teacher, student)
    )
    projected = own @ distiller.projection.kernel.numpy()
    near = ((wanted - projected) ** 2).mean()
    if loss == "cosine":
        lengths = np.linalg.norm(wanted, axis=1) * np.linalg.norm(projected, axis=1)
        near = (1 - (wanted * projected).sum(axis=1) / lengths).mean()
    found = distiller.test_on_batch(vectors, LABELS, return_dict=True)
    np.testing.assert_allclose(found["feature_loss"], near, rtol=1e-5)
    np.testing.assert_allclose(found["loss"], without + 2 * near, rtol=1e-5)
    cached = {
        "waveform": vectors,
        "teacher_logits": logits_of(teacher, vectors),
        "teacher_features": wanted,
    }
    alone = Distiller(
        None,
        student,
        features=FeatureMatching(
            loss=loss, weight=2.0, teacher_features=9, student_layer="embedding"
        ),
    )
    alone.projection.set_weights(distiller.projection.get_weights())
    np.testing.assert_allclose(
        eager(alone).test_on_batch(cached, LABELS)[0], found["loss"], rtol=1e-5
    )


@pytest.mark.parametrize("has_mask", [True, False])
def test_the_pooled_embedding_of_a_tagger_leaves_padding_out(
    make_classifier, rng, has_mask
):
    """Networks with a head of their own, as those of AudioSet, have no `pooling`."""
    ear = make_classifier().backbone
    waveform = keras.Input((None,))
    mask = ear.time_mask()(waveform) if has_mask else None
    mean = MeanOverPatches()(ear(waveform), mask=mask)
    tagger = keras.Model(waveform, keras.layers.Dense(3, name="logits")(mean))
    x = rng.normal(size=(2, 1_500)).astype(np.float32)
    x[1, 600:] = 0
    tap = Tap(tagger, "teacher", with_features=True)
    assert (tap.labels, tap.features, tap.activation) == (3, 6, None)
    ends = tap(x, training=False)
    for row, samples in enumerate((1_500, 600)):
        expected = ear(x[row : row + 1, :samples]).numpy().mean(axis=1)[0]
        np.testing.assert_allclose(
            ends["features"][row], expected, rtol=1e-4, atol=1e-5
        )
    np.testing.assert_allclose(ends["logits"], tagger(x), rtol=1e-5, atol=1e-6)


def test_cached_logits_train_as_the_teacher_does(make_network, vectors):
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


def test_metrics_leave_out_clips_without_a_label(make_network, vectors):
    student = make_network()
    distiller = eager(Distiller(make_network(9), student), metrics=["accuracy"])
    guesses = np.asarray(student(vectors)).argmax(axis=1)
    is_labelled = LABELS >= 0
    expected = (guesses == LABELS)[is_labelled].mean()
    found = distiller.test_on_batch(vectors, LABELS, return_dict=True)
    assert found["accuracy"] == pytest.approx(expected)
    nothing = distiller.test_on_batch(vectors, np.full(8, -1), return_dict=True)
    assert nothing["hard_loss"] == 0
    assert nothing["loss"] == pytest.approx(0.7 * nothing["soft_loss"], rel=1e-6)


def test_data_to_evaluate_need_no_logits(make_network, vectors):
    student = make_network()
    distiller = eager(Distiller(None, student), metrics=["accuracy"])
    found = distiller.evaluate(vectors, LABELS, verbose=0, return_dict=True)
    y = LABELS[LABELS >= 0]
    scores = softmax(logits_of(student, vectors))[LABELS >= 0]
    expected = -np.log(scores[np.arange(6), y]).mean()
    assert found["hard_loss"] == pytest.approx(expected, rel=1e-5)


def test_a_run_that_was_saved_goes_on_as_if_it_had_not_been(
    make_network, vectors, tmp_path
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


def test_the_student_is_a_plain_classifier(make_classifier, tmp_path, rng):
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


def test_a_teacher_of_another_rate_hears_the_same_sound(make_classifier, rng):
    teacher = make_classifier(2, rate_hz=16_000, units=5)
    student = make_classifier(1)
    x = rng.normal(size=(4, 1_500)).astype(np.float32) * 0.1
    x[1, 700:] = 0
    y = np.array([0, 1, 2, -1])
    distiller = eager(Distiller(teacher, student, 2.0, 0.0))
    found = distiller.test_on_batch(x, y)[0]
    heard = np.asarray(Resampler(8_000, 16_000)(x))
    assert heard.shape == (4, 3_000)
    own = logits_of(student, x)
    expected = reference(y, logits_of(teacher, heard)[None], own, 2.0, 0.0).mean()
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    # Its own waveform, where the data bring one, is heard as it is.
    other = rng.normal(size=(4, 2_900)).astype(np.float32)
    found = distiller.test_on_batch({"waveform": x, "teacher_waveform": other}, y)[0]
    expected = reference(y, logits_of(teacher, other)[None], own, 2.0, 0.0).mean()
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_padding_changes_nothing_for_a_teacher_of_another_rate(make_classifier, rng):
    distiller = Distiller(
        make_classifier(2, rate_hz=16_000), make_classifier(1), features=True
    )
    eager(distiller)
    x = rng.normal(size=(2, 1_000)).astype(np.float32)
    padded = np.pad(x, ((0, 0), (0, 777)))
    for one, other in zip(
        distiller.test_on_batch(x, np.array([0, 1])),
        distiller.test_on_batch(padded, np.array([0, 1])),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5)
