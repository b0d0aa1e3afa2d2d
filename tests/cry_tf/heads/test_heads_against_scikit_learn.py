"""The heads answer with NumPy; scikit-learn's own answers are the reference."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.svm import SVC

from cry_tf.heads import fitting
from cry_tf.heads.features import Standardization, calibrated_scale, inner_folds
from cry_tf.heads.gaussian_mixture import Mixtures
from cry_tf.heads.logistic import LogisticHead

LABELS = 3


@pytest.fixture
def clips(rng):
    truth = rng.integers(0, LABELS, 80)
    features = rng.normal(size=(80, 5)) * [1, 2, 3, 4, 5] + 7
    features[:, 0] += 2 * truth
    return features, truth, np.arange(80) // 2


def standardised(features):
    return (features - features.mean(0)) / features.std(0)


def test_logistic_regression_with_its_standardisation_folded_in(clips):
    features, truth, groups = clips
    head = LogisticHead.fit(features, truth, LABELS, False, 0)
    reference = LogisticRegression(C=1.0, max_iter=2000)
    reference.fit(standardised(features), truth)
    expected = reference.predict_proba(standardised(features))
    np.testing.assert_allclose(head.scores(features), expected, atol=1e-9)


def test_logistic_regression_of_two_labels_has_a_column_for_each(clips):
    features, truth, groups = clips
    truth = np.minimum(truth, 1)
    head = LogisticHead.fit(features, truth, 2, False, 0)
    reference = LogisticRegression(C=1.0, max_iter=2000)
    reference.fit(standardised(features), truth)
    expected = reference.predict_proba(standardised(features))
    np.testing.assert_allclose(head.scores(features), expected, atol=1e-9)


@pytest.mark.parametrize("is_balanced", [True, False])
def test_decisions_of_the_support_vectors(clips, is_balanced):
    features, truth, groups = clips
    head = fitting.fit("svm", features, truth, groups, LABELS, is_balanced)
    x = standardised(features)
    for label in range(LABELS):
        machine = SVC(gamma=1 / 5, class_weight="balanced" if is_balanced else None)
        machine.fit(x, truth == label)
        np.testing.assert_allclose(
            head.decisions(features)[:, label], machine.decision_function(x), atol=1e-9
        )
    expected = softmax(head.scale * head.decisions(features), axis=1)
    np.testing.assert_allclose(head.scores(features), expected)


def test_likelihoods_of_the_mixtures(rng):
    truth = np.repeat(np.arange(3), [64, 30, 1])
    rows = rng.normal(size=(95, 4)) + truth[:, None]
    mixtures = Mixtures.fit(rows, truth, labels=4, components=4, seed=5)
    found = mixtures.log_likelihoods(rows)
    for label, components in ((0, 4), (1, 3)):
        reference = GaussianMixture(
            components, covariance_type="diag", reg_covar=0.1, random_state=5
        ).fit(rows[truth == label])
        expected = reference.score_samples(rows)
        np.testing.assert_allclose(found[:, label], expected, rtol=1e-9)
    # One clip: a Gaussian of variance 1 around it. No clip: impossible.
    distance = ((rows - rows[truth == 2]) ** 2).sum(1)
    np.testing.assert_allclose(found[:, 2], -0.5 * (distance + 4 * np.log(2 * np.pi)))
    assert np.isneginf(found[:, 3]).all()


def test_bayes_rule_has_the_prior_of_the_training_clips(clips):
    features, truth, groups = clips
    truth = np.where(np.arange(80) < 60, 0, truth)
    even = fitting.fit("gmm", features, truth, groups, LABELS, True)
    told = fitting.fit("gmm", features, truth, groups, LABELS, False)
    shares = np.bincount(truth, minlength=LABELS) / 80
    np.testing.assert_allclose(np.exp(told.log_priors), shares)
    difference = told.decisions(features) - even.decisions(features)
    np.testing.assert_allclose(
        difference, np.log(LABELS * shares)[None] + 0 * difference
    )


def test_the_components_are_white_on_the_training_clips(clips):
    features, truth, groups = clips
    head = fitting.fit("gmm", features, truth, groups, LABELS, True)
    rows = head.standardize(features) @ head.components
    np.testing.assert_allclose(np.cov(rows.T), np.eye(5), atol=1e-6)


def test_prototypes_are_mean_directions(clips):
    features, truth, groups = clips
    head = fitting.fit("prototype", features, truth, groups, LABELS)
    x = standardised(features)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    logits = np.empty((80, LABELS))
    for label in range(LABELS):
        mean = x[truth == label].mean(0)
        logits[:, label] = head.scale * x @ mean / np.linalg.norm(mean)
    np.testing.assert_allclose(head.scores(features), softmax(logits, axis=1))


def test_inner_folds_keep_groups_whole(clips):
    _, truth, groups = clips
    folds = inner_folds(truth, groups, 0)
    assert len(folds) == 3
    for train, test in folds:
        assert not set(groups[train]) & set(groups[test])
    tested = np.concatenate([test for _, test in folds])
    np.testing.assert_array_equal(np.sort(tested), np.arange(80))


def test_the_scale_is_the_best_of_a_fine_grid(clips, rng):
    _, truth, groups = clips
    decisions = rng.normal(size=(80, LABELS)) + 0.8 * np.eye(LABELS)[truth]
    weights = np.array([1.0, 2.0, 3.0])

    def cost(scale):
        right = softmax(scale * decisions, axis=1)[np.arange(80), truth]
        return -(weights[truth] * np.log(right)).sum()

    found = calibrated_scale(
        lambda train, test: decisions[test], truth, groups, weights, 0, 0.01
    )
    best = min(np.geomspace(0.01, 100, 4001), key=cost)
    assert found == pytest.approx(best, rel=0.01)


def test_decisions_that_say_nothing_are_scaled_down_to_the_lowest(clips, rng):
    _, truth, groups = clips
    opposite = -3 * np.eye(LABELS)[truth]  # worse than chance
    found = calibrated_scale(
        lambda train, test: opposite[test], truth, groups, np.ones(LABELS), 0, 0.01
    )
    assert found == pytest.approx(0.01, rel=0.05)


def test_a_constant_feature_is_left_as_it_is():
    standardize = Standardization.of(np.array([[1.0, 0.1], [3.0, 0.1], [5.0, 0.1]]))
    np.testing.assert_allclose(standardize.deviation, [np.std([1, 3, 5]), 1])
    np.testing.assert_allclose(standardize(np.array([[3.0, 2.1]])), [[0, 2]])
