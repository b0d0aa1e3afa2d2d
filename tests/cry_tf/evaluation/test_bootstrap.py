import numpy as np
import pytest
from sklearn import metrics as sk

from cry_tf.evaluation import bootstrap


@pytest.fixture
def drawn(rng):
    scores = np.round(rng.random(60), 1)  # many ties
    positive = rng.random(60) < 0.4
    weights = bootstrap.group_weights([f"g{i // 4}" for i in range(60)], draws=20)
    return scores, positive, weights


def test_groups_are_drawn_with_all_their_clips():
    weights = bootstrap.group_weights(["x", "x", "y", "z"], draws=50)

    assert weights.shape == (50, 4)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 1])
    # Each draw holds as many groups as there are.
    np.testing.assert_array_equal(weights[:, 1:].sum(axis=1), 3)


def test_the_same_seed_gives_the_same_draws():
    groups = [str(i) for i in range(10)]
    first = bootstrap.group_weights(groups, seed=1)
    np.testing.assert_array_equal(first, bootstrap.group_weights(groups, seed=1))
    assert (first != bootstrap.group_weights(groups, seed=2)).any()


def test_auc_agrees_with_scikit_learn_with_weights_and_ties(drawn):
    scores, positive, weights = drawn
    expected = [
        sk.roc_auc_score(positive, scores, sample_weight=weight) for weight in weights
    ]
    # Both are exact sums of small integers, but for the last division.
    np.testing.assert_allclose(
        bootstrap.roc_aucs(scores, positive, weights), expected, rtol=1e-12
    )


def test_average_precision_agrees_with_scikit_learn(drawn):
    scores, positive, weights = drawn
    expected = [
        sk.average_precision_score(positive, scores, sample_weight=weight)
        for weight in weights
    ]
    np.testing.assert_allclose(
        bootstrap.average_precisions(scores, positive, weights), expected, rtol=1e-12
    )


def test_confusion_matrices_agree_with_scikit_learn(rng):
    truth, predicted = rng.integers(0, 3, 40), rng.integers(0, 3, 40)
    weights = bootstrap.group_weights([str(i) for i in range(40)], draws=5)
    found = bootstrap.confusion_matrices(truth, predicted, 3, weights)
    for matrix, weight in zip(found, weights, strict=True):
        expected = sk.confusion_matrix(truth, predicted, sample_weight=weight)
        np.testing.assert_allclose(matrix, expected)


def test_a_draw_without_a_class_has_no_value():
    scores, positive = np.array([0.2, 0.8]), np.array([False, True])
    weights = np.array([[2.0, 0.0], [1.0, 1.0]])

    assert np.isnan(bootstrap.roc_aucs(scores, positive, weights)[0])
    assert bootstrap.roc_aucs(scores, positive, weights)[1] == 1
    assert np.isnan(bootstrap.average_precisions(scores, positive, weights)[0])


def test_the_interval_ignores_draws_without_a_value():
    assert bootstrap.interval(np.array([np.nan, 1.0, 1.0])) == (1.0, 1.0)
    assert bootstrap.interval(np.array([np.nan])) == (None, None)
