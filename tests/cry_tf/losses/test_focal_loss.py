import keras
import numpy as np
import pytest

from cry_tf.losses import FocalLoss


def reference(truth, scores, gamma):
    """Lin et al., equation 4, a clip at a time in float64."""
    found = []
    for label, row in zip(truth, scores.astype("float64"), strict=True):
        found.append(-((1 - row[label]) ** gamma) * np.log(row[label]))
    return np.array(found)


@pytest.fixture
def answers(rng):
    logits = rng.normal(size=(16, 4)) * 3
    scores = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return rng.integers(0, 4, 16), scores.astype("float32")


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
def test_it_is_the_papers_formula(answers, gamma):
    truth, scores = answers
    loss = FocalLoss(gamma, reduction=None)
    expected = reference(truth, scores, gamma)
    # float32: the score, its complement and its logarithm round once each.
    np.testing.assert_allclose(loss(truth, scores), expected, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(loss(truth[:, None], scores), expected, 1e-4, 1e-7)


def test_without_gamma_it_is_cross_entropy(answers):
    truth, scores = answers
    plain = keras.losses.SparseCategoricalCrossentropy()(truth, scores)
    assert float(FocalLoss(0.0)(truth, scores)) == pytest.approx(float(plain), rel=1e-5)


def test_shares_weigh_the_terms(answers):
    truth, scores = answers
    other = (truth + 1) % 4
    shares = 0.7 * np.eye(4)[truth] + 0.3 * np.eye(4)[other]
    loss = FocalLoss(2.0, reduction=None)
    expected = 0.7 * reference(truth, scores, 2) + 0.3 * reference(other, scores, 2)
    np.testing.assert_allclose(loss(shares, scores), expected, rtol=1e-4, atol=1e-7)


def test_sure_answers_right_or_wrong_have_finite_gradients():
    import tensorflow as tf

    logits = tf.Variable([[200.0, -200.0], [-200.0, 200.0], [0.0, 0.0]])
    for gamma in (0.5, 2.0):
        with tf.GradientTape() as tape:
            loss = FocalLoss(gamma)(np.array([0, 0, 0]), tf.nn.softmax(logits))
        assert np.isfinite(float(loss))
        assert np.isfinite(tape.gradient(loss, logits).numpy()).all()


def test_it_is_saved_with_its_model(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, "softmax")])
    model.compile("sgd", FocalLoss(1.5))
    model.fit(np.eye(3), np.array([0, 1, 0]), verbose=0)
    model.save(tmp_path / "model.keras")
    loss = keras.saving.load_model(tmp_path / "model.keras").loss
    assert isinstance(loss, FocalLoss)
    assert loss.gamma == 1.5


def test_a_negative_gamma_is_refused():
    with pytest.raises(ValueError, match=r"gamma must be 0 or more.*gamma=-1"):
        FocalLoss(-1)
