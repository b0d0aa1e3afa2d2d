import numpy as np
import pytest

from cry_tf.distillation.lesson import pseudo_labels, sure_from
from cry_tf.runs.predictions import Predictions


def predictions(cry_scores, is_cry, positive_label="cry"):
    cry_scores = np.asarray(cry_scores, np.float32)
    count = len(cry_scores)
    return Predictions(
        files=tuple(f"{n}.wav" for n in range(count)),
        labels=("no_cry", "cry"),
        truth=np.asarray(is_cry, int),
        scores=np.stack([1 - cry_scores, cry_scores], axis=1),
        groups=tuple(str(n) for n in range(count)),
        folds=np.zeros(count, int),
        durations_s=np.ones(count),
        positive_label=positive_label,
    )


def test_a_detector_is_sure_of_each_side_from_a_score_of_its_own():
    # Above 0.8 every clip is a cry; from 0.5 to 0.8 half of them; below, none.
    scores = np.repeat([0.97, 0.62, 0.12], 40)
    truth = np.concatenate([np.ones(40), np.tile([0, 1], 20), np.zeros(40)])
    found = sure_from(predictions(scores, truth), precision=0.95)
    # The edges of twentieths around 0.97 and 1 - 0.12.
    assert found["cry"] == pytest.approx(0.95)
    assert found["no_cry"] == pytest.approx(0.85)


def test_a_threshold_goes_down_as_far_as_the_precision_lasts():
    scores = np.repeat([0.97, 0.72], [95, 5])
    truth = np.repeat([1, 0], [95, 5])
    # With the five wrong ones 95 of 100 are right: just precise enough.
    found = sure_from(predictions(scores, truth), precision=0.95)
    assert found["cry"] == pytest.approx(0.7)
    found = sure_from(predictions(scores, truth), precision=0.96)
    assert found["cry"] == pytest.approx(0.95)


def test_too_few_clips_make_nobody_sure():
    found = sure_from(predictions([0.99] * 19, [1] * 19), precision=0.9)
    assert found == {"no_cry": None, "cry": None}


def test_the_labels_of_a_classifier_share_a_threshold():
    scores = np.repeat([0.97, 0.03], 20)
    truth = np.repeat([1, 0], 20)
    found = sure_from(predictions(scores, truth, None), precision=0.9)
    assert found["no_cry"] == found["cry"] == pytest.approx(0.95)


def test_a_window_takes_the_label_of_which_every_teacher_is_sure():
    scores = np.array(
        [
            [[0.1, 0.9], [0.2, 0.8]],  # both sure of a cry
            [[0.1, 0.9], [0.4, 0.6]],  # the second is not
            [[0.9, 0.1], [0.1, 0.9]],  # each sure of another label
            [[0.9, 0.1], [0.9, 0.1]],  # the second is never sure of this label
        ]
    )
    thresholds = [{"no_cry": 0.7, "cry": 0.7}, {"no_cry": None, "cry": 0.8}]
    found = pseudo_labels(scores, thresholds, ("no_cry", "cry"))
    np.testing.assert_array_equal(found, [1, -1, -1, -1])
