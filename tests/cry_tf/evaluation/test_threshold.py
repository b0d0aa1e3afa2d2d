import numpy as np
import pytest

from cry_tf.evaluation.threshold import (
    ChosenThreshold,
    choose_threshold,
    cross_fitted_point,
)
from cry_tf.runs.predictions import Predictions


def detector(scores, is_positive, folds):
    scores = np.array(scores)
    n = len(scores)
    return Predictions(
        files=tuple(map(str, range(n))),
        labels=("no_cry", "cry"),
        truth=np.array(is_positive).astype(int),
        scores=np.stack([1 - scores, scores], axis=1),
        groups=tuple(map(str, range(n))),
        folds=np.array(folds),
        durations_s=np.full(n, 1.0),
        positive_label="cry",
    )


def chosen(positives, negatives, min_recall=0.95):
    scores = np.array([*positives, *negatives])
    is_positive = np.arange(len(scores)) < len(positives)
    return choose_threshold(scores, is_positive, min_recall)


def test_separable_scores_are_parted_halfway():
    assert chosen([0.8, 0.9], [0.1, 0.2]) == pytest.approx(0.5)


def test_the_recall_is_reached_with_the_fewest_false_alarms():
    # To find 3 of 4, 0.6 must be called, and with it the 0.7.
    threshold = chosen([0.9, 0.8, 0.6, 0.2], [0.7, 0.4, 0.1], min_recall=0.75)
    assert threshold == pytest.approx((0.6 + 0.4) / 2)


def test_recall_that_costs_no_false_alarm_is_taken():
    # 1 of 2 would do, but the second comes for nothing.
    assert chosen([0.9, 0.5], [0.3], min_recall=0.5) == pytest.approx(0.4)


def test_nineteen_of_twenty_are_95_percent():
    positives = [0.1] + [0.9] * 19
    assert chosen(positives, [0.5]) == pytest.approx(0.7)


def test_everything_is_called_if_no_negative_is_lower():
    assert chosen([0.5, 0.5], [0.5, 0.9]) == pytest.approx(0.5)


def test_neighbouring_floats_are_still_parted():
    low = 0.5
    high = np.nextafter(low, 1)
    assert low < chosen([high], [low]) <= high


def test_the_choice_keeps_its_promise_on_random_scores(rng):
    for _ in range(50):
        scores = np.round(rng.random(40), 2)
        positive = rng.random(40) < 0.5
        positive[:2] = True, False
        threshold = choose_threshold(scores, positive, 0.9)
        called = scores >= threshold
        recall = called[positive].mean()
        assert recall >= 0.9
        # No threshold with that recall has fewer false alarms.
        fewest = min(
            (scores >= other)[~positive].sum()
            for other in np.unique(scores)
            if (scores >= other)[positive].mean() >= 0.9
        )
        assert called[~positive].sum() == fewest


def test_a_missing_class_and_a_bad_recall_are_refused():
    with pytest.raises(ValueError, match="2 positive, 0 negative"):
        chosen([0.5, 0.6], [])
    with pytest.raises(ValueError, match="min_recall must be in"):
        chosen([0.5], [0.1], min_recall=0)


def test_a_fold_is_judged_at_the_threshold_of_the_others():
    # Fold 0 alone would choose 0.2, fold 1 alone 0.8.
    predictions = detector([0.3, 0.1, 0.9, 0.7], [1, 0, 1, 0], folds=[0, 0, 1, 1])
    point = cross_fitted_point(predictions)

    assert point is not None
    assert point.threshold is None
    assert point.recall == pytest.approx(0.5)  # 0.3 < 0.8 is missed
    assert point.false_alarms == 1  # 0.7 >= 0.2 is a false alarm


def test_folds_that_lack_a_class_have_no_cross_fitted_figure():
    predictions = detector([0.3, 0.1], [1, 0], folds=[0, 1])
    found = ChosenThreshold.of(predictions)

    assert found.cross_fitted is None
    assert found.same_scores.recall == 1
    assert found.to_dict()["cross_fitted"] is None
    assert "flatters" in found.to_dict()["note"]
