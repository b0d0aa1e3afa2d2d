import numpy as np
import pytest
from scipy.optimize import minimize

from cry_tf.heads.features import NEVER
from cry_tf.heads.logistic import LogisticHead
from cry_tf.studies.personal.adapters import LogisticAdapter


def base(rng, features=5, labels=3):
    kernel = rng.normal(size=(features, labels))
    return LogisticHead(kernel, rng.normal(size=labels))


def reference(head, features, truth, penalty):
    """Minimises the documented cost over the whole kernel, with no shortcut."""
    mean = features.mean(axis=0)
    around = features - mean
    scale = np.sqrt((around**2).sum(axis=1).mean())
    inputs = np.column_stack([around / scale, np.ones(len(truth))])
    start = features @ head.kernel + head.bias
    present = np.unique(truth)

    def cost(values):
        change = np.zeros((inputs.shape[1], start.shape[1]))
        change[:, present] = values.reshape(inputs.shape[1], -1)
        logits = start + inputs @ change
        norm = np.log(np.exp(logits).sum(axis=1))
        right = logits[np.arange(len(truth)), truth]
        return (norm - right).sum() + penalty / 2 * (change**2).sum()

    found = minimize(cost, np.zeros(inputs.shape[1] * len(present)), tol=1e-12)
    change = np.zeros((inputs.shape[1], start.shape[1]))
    change[:, present] = found.x.reshape(inputs.shape[1], -1)
    return start + inputs @ change


def test_the_logits_minimise_the_documented_cost(rng):
    head = base(rng)
    features, truth = rng.normal(size=(8, 5)), np.array([0, 0, 1, 1, 2, 2, 0, 1])
    got = LogisticAdapter(head, penalty=0.5).adapt(features, truth)
    expected = reference(head, features, truth, 0.5)
    # The reference differentiates numerically; L-BFGS stops at a slope of 1e-5.
    logits = features @ got.kernel + got.bias
    np.testing.assert_allclose(logits, expected, atol=2e-3)


def test_a_label_without_clips_keeps_its_weights(rng):
    head = base(rng)
    got = LogisticAdapter(head).adapt(rng.normal(size=(4, 5)), np.array([0, 2, 2, 0]))
    np.testing.assert_array_equal(got.kernel[:, 1], head.kernel[:, 1])
    assert got.bias[1] == head.bias[1]


def test_without_a_clip_the_run_stays_as_it_is(rng):
    head = base(rng)
    assert LogisticAdapter(head).adapt(np.empty((0, 5)), np.array([], int)) is head


def test_one_clip_is_learned_from_as_a_habit(rng):
    head, clip = base(rng), rng.normal(size=(1, 5))
    got = LogisticAdapter(head).adapt(clip, np.array([1]))
    np.testing.assert_allclose(got.kernel, head.kernel, atol=1e-12)
    assert got.bias[1] > head.bias[1]


def test_a_strong_penalty_keeps_the_run(rng):
    head, features = base(rng), rng.normal(size=(4, 5))
    got = LogisticAdapter(head, penalty=1e9).adapt(features, np.array([0, 1, 2, 0]))
    np.testing.assert_allclose(got.scores(features), head.scores(features), atol=1e-6)


def test_a_label_that_the_run_never_had_is_learned(rng):
    head = base(rng)
    head.kernel[:, 2], head.bias[2] = 0, NEVER
    features = np.concatenate([rng.normal(size=(3, 5)) + 4, rng.normal(size=(3, 5))])
    truth = np.array([2, 2, 2, 0, 0, 0])
    adapter = LogisticAdapter(head, penalty=0.01)
    scores = adapter.adapt(features, truth).scores(features)
    np.testing.assert_array_equal(scores.argmax(axis=1), truth)


def test_far_off_logits_do_not_stop_the_fit(rng):
    head = LogisticHead(200 * rng.normal(size=(5, 3)), np.zeros(3))
    features, truth = rng.normal(size=(6, 5)), np.array([0, 1, 2, 0, 1, 2])
    got = LogisticAdapter(head).adapt(features, truth)
    scores = got.scores(features)[np.arange(6), truth]
    before = head.scores(features)[np.arange(6), truth]
    assert np.isfinite(got.kernel).all()
    assert np.log(scores + 1e-300).sum() > np.log(before + 1e-300).sum()


def test_the_compact_problem_gives_the_same_scores(rng):
    head = base(rng, features=200)
    features, truth = rng.normal(size=(7, 200)), rng.integers(0, 3, 7)
    small, few = LogisticAdapter(head).compact(features)
    assert few.shape == (7, 7)
    expected = LogisticAdapter(head).adapt(features[1:], truth[1:]).scores(features)
    got = small.adapt(few[1:], truth[1:]).scores(few)
    np.testing.assert_allclose(got, expected, atol=1e-6)  # Newton stops at 1e-6


def test_no_penalty_is_refused(rng):
    with pytest.raises(ValueError, match="penalty must be positive"):
        LogisticAdapter(base(rng), penalty=0)
