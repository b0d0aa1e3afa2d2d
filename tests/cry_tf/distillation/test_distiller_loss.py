import keras
import numpy as np
import pytest
import tensorflow as tf

from cry_tf import Distiller

LABELS = np.array([0, 2, -1, 1, 1, -1, 0, 2])
HOT = np.array(
    [[0, 1, 1], [-1, -1, -1], [0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0]]
    + 2 * [[0] * 3]
)


def softmax(logits):
    scores = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return scores / scores.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize(
    ("activation", "y"),
    [("softmax", LABELS), ("sigmoid", HOT), ("softmax", HOT[:, :1])],
)
def test_the_loss_is_that_of_the_paper(
    make_network, vectors, activation, y, reference, logits_of, eager
):
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


def test_a_place_is_a_truth_of_one_label_for_a_sigmoid(make_network, vectors, eager):
    networks = [make_network(n, activation="sigmoid", seed=n) for n in (9, 4)]
    distiller = eager(Distiller(*networks))
    rows = np.where(LABELS[:, None] < 0, -1, np.eye(3)[LABELS])
    np.testing.assert_allclose(
        distiller.test_on_batch(vectors, LABELS)[0],
        distiller.test_on_batch(vectors, rows)[0],
        rtol=1e-6,
    )


def test_shares_of_labels_are_a_truth_too(make_network, vectors, rng, logits_of, eager):
    teacher, student = make_network(9), make_network()
    shares = softmax(rng.normal(size=(8, 3)))
    distiller = eager(Distiller(teacher, student, alpha=1.0))
    found = distiller.test_on_batch(vectors, shares, return_dict=True)
    expected = -(shares * np.log(softmax(logits_of(student, vectors)))).sum(axis=-1)
    np.testing.assert_allclose(found["loss"], expected.mean(), rtol=1e-5)


def test_several_teachers_are_heard_by_their_weights(
    make_network, vectors, reference, logits_of, eager
):
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


def test_a_weight_of_100_counts_a_clip_a_hundred_times(
    make_network, vectors, reference, logits_of, eager
):
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
def test_class_weights_weigh_clips_by_their_label(make_network, vectors, data, eager):
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
    make_network, vectors, eager
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


def test_the_students_penalties_count_and_the_teachers_do_not(
    make_network, vectors, eager
):
    penalty = keras.regularizers.L2(0.5)
    teacher = make_network(9, penalty=penalty)
    plain = eager(Distiller(teacher, make_network()))
    student = make_network(penalty=penalty)
    kernel = student.get_layer("embedding").kernel.numpy()
    found = eager(Distiller(teacher, student)).test_on_batch(vectors, LABELS)[0]
    expected = plain.test_on_batch(vectors, LABELS)[0] + 0.5 * (kernel**2).sum()
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_metrics_leave_out_clips_without_a_label(make_network, vectors, eager):
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


def test_data_to_evaluate_need_no_logits(make_network, vectors, logits_of, eager):
    student = make_network()
    distiller = eager(Distiller(None, student), metrics=["accuracy"])
    found = distiller.evaluate(vectors, LABELS, verbose=0, return_dict=True)
    y = LABELS[LABELS >= 0]
    scores = softmax(logits_of(student, vectors))[LABELS >= 0]
    expected = -np.log(scores[np.arange(6), y]).mean()
    assert found["hard_loss"] == pytest.approx(expected, rel=1e-5)
