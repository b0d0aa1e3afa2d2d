import numpy as np
import pytest

from cry_tf.evaluation.detection import operating_point, recall_at_rates
from cry_tf.runs.predictions import NO_FOLD, Predictions


def detector(scores, is_positive, durations_s=5.0):
    scores = np.array(scores)
    n = len(scores)
    return Predictions(
        files=tuple(map(str, range(n))),
        labels=("no_cry", "cry"),
        truth=np.array(is_positive).astype(int),
        scores=np.stack([1 - scores, scores], axis=1),
        groups=tuple(map(str, range(n))),
        folds=np.full(n, NO_FOLD),
        durations_s=np.full(n, durations_s),
        positive_label="cry",
    )


def test_hits_and_false_alarms_are_counted_at_the_threshold():
    found = operating_point(
        detector([0.9, 0.5, 0.4, 0.7, 0.1], [1, 1, 1, 0, 0], durations_s=900), 0.5
    )

    assert found.recall == pytest.approx(2 / 3)  # a score of exactly 0.5 is called
    assert found.precision == pytest.approx(2 / 3)
    assert found.false_positive_rate == pytest.approx(1 / 2)
    assert found.false_alarms == 1
    assert found.negative_hours == pytest.approx(0.5)
    assert found.false_alarms_per_hour == pytest.approx(2)


def test_every_clip_may_have_a_threshold_of_its_own():
    found = operating_point(detector([0.4, 0.4], [1, 0]), np.array([0.3, 0.5]))
    assert (found.recall, found.false_alarms, found.threshold) == (1, 0, None)


def test_nothing_called_has_no_precision():
    found = operating_point(detector([0.1, 0.1], [1, 0]), 0.9)
    assert found.precision is None
    assert found.recall == 0


def test_recall_at_a_rate_takes_the_best_that_the_rate_allows():
    # Ten negatives: a rate of 0.1 allows one false alarm, 0.01 none.
    scores = [0.95, 0.8, 0.6, 0.3, 0.9] + [0.1] * 9
    positive = [1, 1, 1, 1, 0] + [0] * 9
    strict, loose = recall_at_rates(detector(scores, positive), rates=(0.01, 0.1))

    assert strict.recall == pytest.approx(1 / 4)
    assert strict.threshold == pytest.approx(0.95)
    assert loose.recall == 1
    assert loose.threshold == pytest.approx(0.3)


def test_a_rate_that_allows_nothing_has_a_finite_threshold():
    (found,) = recall_at_rates(detector([0.2, 0.9], [1, 0]), rates=(0.001,))
    assert found.recall == 0
    assert found.threshold <= 1
