import numpy as np
import pytest

from cry_tf.evaluation.score_calibration import calibrate
from cry_tf.runs.predictions import NO_FOLD, Predictions


def predictions(scores, truth, positive_label=None):
    scores, truth = np.array(scores), np.array(truth)
    return Predictions(
        files=tuple(map(str, range(len(truth)))),
        labels=("a", "b"),
        truth=truth,
        scores=np.stack([1 - scores, scores], axis=1),
        groups=tuple(map(str, range(len(truth)))),
        folds=np.full(len(truth), NO_FOLD),
        durations_s=np.ones(len(truth)),
        positive_label=positive_label,
    )


def test_a_detector_is_compared_with_how_often_it_cries():
    found = calibrate(predictions([0.85, 0.85, 0.15, 0.15], [1, 1, 1, 0], "b"))

    assert [entry.clips for entry in found.bins] == [0, 2, 0, 0, 0, 0, 0, 0, 2, 0]
    assert found.bins[8].observed == 1
    assert found.bins[1].observed == pytest.approx(0.5)
    assert found.expected_error == pytest.approx((0.15 + 0.35) / 2)


def test_a_classifier_is_compared_with_how_often_it_is_right():
    found = calibrate(predictions([0.9, 0.25], [1, 1]))
    assert found.bins[9].observed == 1
    assert found.bins[7].observed == 0
    assert found.claim == "the answer is right"


def test_scores_of_0_and_1_fall_into_the_outer_bins():
    found = calibrate(predictions([0.0, 1.0], [0, 1], "b"))
    assert (found.bins[0].clips, found.bins[9].clips) == (1, 1)
    assert found.expected_error == 0
