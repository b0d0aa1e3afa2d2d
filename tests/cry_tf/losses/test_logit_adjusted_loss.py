import keras
import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from cry_tf.losses import LogitAdjustedLoss

COUNTS = (382, 27, 8)


def reference(truth, logits, counts, tau):
    """Menon et al., equation 10, in float64 from the logits themselves."""
    shares = np.array(counts) / np.sum(counts)
    adjusted = logits + tau * np.log(shares)
    return -log_softmax(adjusted, axis=1)[np.arange(len(truth)), truth]


@pytest.fixture
def answers(rng):
    logits = rng.normal(size=(16, 3)) * 4
    return rng.integers(0, 3, 16), logits, softmax(logits, axis=1).astype("float32")


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0, 2.0])
def test_it_is_the_papers_formula(answers, tau):
    truth, logits, scores = answers
    loss = LogitAdjustedLoss(COUNTS, tau, reduction=None)
    expected = reference(truth, logits, COUNTS, tau)
    # The logarithm of a float32 score stands for its logit.
    np.testing.assert_allclose(loss(truth, scores), expected, rtol=1e-4, atol=1e-5)
    shares = np.eye(3)[truth]
    np.testing.assert_allclose(loss(shares, scores), expected, rtol=1e-4, atol=1e-5)


def test_a_compiled_model_hears_of_the_next_folds_counts(answers):
    truth, logits, scores = answers
    identity = keras.Sequential([keras.Input((3,)), keras.layers.Identity()])
    loss = LogitAdjustedLoss([1, 1, 1])
    identity.compile("sgd", loss)
    for counts in ((1, 1, 1), COUNTS, (5, 50, 500)):
        loss.label_counts = counts
        found = identity.evaluate(scores, truth, verbose=0)
        expected = reference(truth, logits, counts, 1.0).mean()
        assert found == pytest.approx(expected, rel=1e-4)


def test_a_label_without_clips_counts_as_one_clip(answers):
    truth, logits, scores = answers
    found = LogitAdjustedLoss((40, 9, 0), reduction=None)(truth, scores)
    expected = reference(truth, logits, (40, 9, 1), 1.0)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_scores_do_not_lean_towards_the_common_label():
    """On features that say nothing, plain training answers the shares; this, none."""
    truth = np.repeat([0, 1, 2], [80, 15, 5])
    features = np.ones((100, 1), "float32")

    def trained(loss):
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(3, "softmax")])
        model.compile(keras.optimizers.Adam(0.1), loss)
        model.fit(features, truth, batch_size=100, epochs=150, verbose=0)
        return model.predict(features[:1], verbose=0)[0]

    plain = trained("sparse_categorical_crossentropy")
    np.testing.assert_allclose(plain, [0.8, 0.15, 0.05], atol=0.02)
    adjusted = trained(LogitAdjustedLoss((80, 15, 5)))
    np.testing.assert_allclose(adjusted, [1 / 3] * 3, atol=0.02)


def test_it_is_saved_with_its_model(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, "softmax")])
    model.compile("sgd", LogitAdjustedLoss(COUNTS, tau=0.5))
    model.fit(np.eye(3), np.array([0, 1, 2]), verbose=0)
    model.save(tmp_path / "model.keras")
    loss = keras.saving.load_model(tmp_path / "model.keras").loss
    assert isinstance(loss, LogitAdjustedLoss)
    assert (loss.label_counts, loss.tau) == (COUNTS, 0.5)


def test_a_score_of_zero_has_a_finite_loss_and_gradient():
    import tensorflow as tf

    logits = tf.Variable([[300.0, 0.0, 0.0]])
    with tf.GradientTape() as tape:
        loss = LogitAdjustedLoss(COUNTS)(np.array([2]), tf.nn.softmax(logits))
    assert np.isfinite(float(loss))
    assert np.isfinite(tape.gradient(loss, logits).numpy()).all()


@pytest.mark.parametrize("counts", [(), (3,), (0, 0), (1, -1), (1, float("nan"))])
def test_counts_that_are_none_are_refused(counts):
    with pytest.raises(ValueError, match="label_counts must hold the number"):
        LogitAdjustedLoss(counts)
