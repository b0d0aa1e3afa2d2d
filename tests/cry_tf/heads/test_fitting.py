import numpy as np
import pytest

from cry_tf.heads import FITTED_HEADS, fitting

LABELS = 3


@pytest.fixture
def clips(rng):
    """Sixty clips of twenty sources; the label moves the first two features."""
    truth = np.repeat([0, 1, 2], [36, 15, 9])
    groups = np.array([f"infant{i // 3}" for i in range(60)])
    centers = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    features = rng.normal(size=(60, 6)) * [1, 1, 1, 10, 0.1, 0] + 3
    features[:, :2] += centers[truth]
    order = rng.permutation(60)
    return features[order], truth[order], groups[order]


@pytest.mark.parametrize("name", FITTED_HEADS)
def test_a_head_learns_what_can_be_told_apart(name, clips):
    features, truth, groups = clips
    head = fitting.fit(name, features[:45], truth[:45], groups[:45], LABELS)
    scores = head.scores(features[45:])
    np.testing.assert_allclose(scores.sum(axis=1), 1)
    assert (scores.argmax(axis=1) == truth[45:]).mean() >= 0.8


@pytest.mark.parametrize("name", FITTED_HEADS)
def test_units_of_the_features_do_not_matter(name, clips):
    features, truth, groups = clips
    units = np.array([1e-3, 1.0, 1e3, 5.0, 1e2, 7.0])
    first = fitting.fit(name, features, truth, groups, LABELS)
    other = fitting.fit(name, features * units, truth, groups, LABELS)
    # The optimizers stop where the gain is small: to that tolerance.
    np.testing.assert_allclose(
        first.scores(features), other.scores(features * units), atol=2e-3
    )


@pytest.mark.parametrize("name", FITTED_HEADS)
def test_a_label_that_does_not_occur_is_never_answered(name, clips):
    features, truth, groups = clips
    known = truth != 1
    head = fitting.fit(name, features[known], truth[known], groups[known], LABELS)
    assert (head.scores(features)[:, 1] < 1e-6).all()
    assert np.isfinite(head.scores(features)).all()


@pytest.mark.parametrize("name", FITTED_HEADS)
def test_one_clip_of_a_label_and_one_source_of_all_are_enough(name, clips):
    features, truth, _ = clips
    few = np.concatenate([np.flatnonzero(truth == 0)[:5], np.flatnonzero(truth == 1)])
    few = few[:6]
    for groups in (np.array(["a"] * 6), np.arange(6)):
        head = fitting.fit(name, features[few], truth[few], groups, LABELS)
        assert np.isfinite(head.scores(features)).all()


@pytest.mark.parametrize("name", FITTED_HEADS)
def test_the_same_seed_gives_the_same_head(name, clips):
    features, truth, groups = clips
    scores = [
        fitting.fit(name, features, truth, groups, LABELS, seed=3).scores(features)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*scores)


@pytest.mark.parametrize("name", ["svm", "gmm", "logreg"])
def test_balanced_labels_find_rare_ones_more_often(name, rng):
    """Overlapping labels, 90 to 10: counting clips, the rare one is drowned."""
    truth = np.repeat([0, 1], [180, 20])
    features = rng.normal(size=(200, 2)) + truth[:, None]
    groups = np.arange(200)
    found = {}
    for is_balanced in (False, True):
        head = fitting.fit(name, features, truth, groups, 2, is_balanced)
        found[is_balanced] = head.scores(features)[truth == 1].argmax(axis=1).mean()
    assert found[True] > found[False] + 0.3


def test_what_cannot_be_fitted_is_said(clips):
    features, truth, groups = clips
    with pytest.raises(ValueError, match=r"one of svm, gmm.*name='tree'"):
        fitting.fit("tree", features, truth, groups, LABELS)
    with pytest.raises(ValueError, match="at least two labels"):
        fitting.fit("svm", features, np.zeros_like(truth), groups, LABELS)
    features[2, 2] = np.nan
    with pytest.raises(ValueError, match="must be finite"):
        fitting.fit("svm", features, truth, groups, LABELS)
