import keras
import numpy as np
import pytest

from cry_tf.losses import FocalLoss, LogitAdjustedLoss
from cry_tf.training import imbalance

TRUTH = np.repeat([0, 1, 3], [10, 4, 3])  # label 2 is not in this fold


def test_class_weights_let_each_label_count_the_same():
    weights = imbalance.clip_weights(TRUTH, "class_weight")
    sums = [weights[label == TRUTH].sum() for label in (0, 1, 3)]
    np.testing.assert_allclose(sums, 17 / 3, rtol=1e-6)
    assert weights.mean() == pytest.approx(1)


@pytest.mark.parametrize("name", ["none", "balanced_sampling", "focal"])
def test_other_ways_weigh_every_clip_the_same(name):
    assert (imbalance.clip_weights(TRUTH, name) == 1).all()


def test_balanced_sampling_shows_every_label_as_often_and_loses_no_clip():
    shown = imbalance.shown_places(TRUTH, "balanced_sampling", seed=0)
    np.testing.assert_array_equal(np.bincount(TRUTH[shown]), [10, 10, 0, 10])
    assert set(shown) == set(range(17))
    # No clip of a label is shown twice more than another.
    times = np.bincount(shown)
    assert all(np.ptp(times[label == TRUTH]) <= 1 for label in (0, 1, 3))


def test_balanced_sampling_draws_by_the_seed():
    first, again, other = (
        imbalance.shown_places(TRUTH, "balanced_sampling", seed) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_other_ways_show_every_clip_once():
    shown = imbalance.shown_places(TRUTH, "class_weight", seed=0)
    np.testing.assert_array_equal(np.sort(shown), np.arange(17))


def test_the_loss_goes_by_the_name():
    focal = imbalance.make_loss("focal", labels=3, gamma=1.0)
    assert isinstance(focal, FocalLoss)
    assert focal.gamma == 1
    plain = imbalance.make_loss("class_weight", labels=3)
    assert isinstance(plain, keras.losses.SparseCategoricalCrossentropy)
    soft = imbalance.make_loss("none", labels=3, has_shares=True)
    assert isinstance(soft, keras.losses.CategoricalCrossentropy)


def test_logit_adjustment_counts_the_training_fold():
    loss = imbalance.make_loss("logit_adjustment", labels=5)
    imbalance.set_label_counts(loss, TRUTH)
    assert isinstance(loss, LogitAdjustedLoss)
    assert loss.label_counts == (10, 4, 0, 3, 0)
    imbalance.set_label_counts(imbalance.make_loss("none", labels=5), TRUTH)
