import dataclasses
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from cry_tf.evaluation.figures import Estimate
from cry_tf.runs.predictions import Predictions
from cry_tf.studies.reproduce.result import Measured, measure_part

CLIPS = 120
LABELS = ("boredom", "hunger", "tiredness")


def whole(estimate: Estimate) -> tuple[float, float, float]:
    """Returns (low, value, high), which must all be there."""
    low, value, high = estimate.low, estimate.value, estimate.high
    assert low is not None
    assert value is not None
    assert high is not None
    return low, value, high


@pytest.fixture
def predictions(rng):
    truth = rng.choice(3, CLIPS, p=[0.5, 0.3, 0.2])
    scores = rng.random((CLIPS, 3))
    scores[np.arange(CLIPS), truth] += 0.5
    return Predictions(
        files=tuple(f"{i}.wav" for i in range(CLIPS)),
        labels=LABELS,
        truth=truth,
        scores=scores / scores.sum(1, keepdims=True),
        groups=tuple(f"infant{i % 8}" for i in range(CLIPS)),
        folds=np.arange(CLIPS) // 48,
        durations_s=np.ones(CLIPS),
    )


def test_all_is_accuracy_and_balanced_accuracy(predictions):
    found = measure_part(predictions, "all")
    is_right = predictions.truth == predictions.predicted
    assert found.figures["accuracy"].value == pytest.approx(is_right.mean())
    recalls = [is_right[predictions.truth == label].mean() for label in range(3)]
    assert found.figures["balanced_accuracy"].value == pytest.approx(np.mean(recalls))
    assert (found.clips, found.groups) == (CLIPS, 8)
    assert found.majority_label == "boredom"
    assert found.majority["accuracy"] == pytest.approx((predictions.truth == 0).mean())
    assert found.majority["balanced_accuracy"] == pytest.approx(1 / 3)


def test_a_fold_and_the_mean_over_folds_of_different_size(predictions):
    is_right = predictions.truth == predictions.predicted
    means = [is_right[predictions.folds == fold].mean() for fold in range(3)]
    second = measure_part(predictions, "fold:2")
    assert second.figures["accuracy"].value == pytest.approx(means[1])
    assert second.clips == 48
    mean = measure_part(predictions, "folds").figures["accuracy"]
    assert mean.value == pytest.approx(np.mean(means))
    assert mean.value != pytest.approx(is_right.mean())
    low, value, high = whole(mean)
    assert low < value < high


def test_labels_and_their_weighted_mean_are_scikit_learns(predictions):
    truth, answers = predictions.truth, predictions.predicted
    each: Any = precision_recall_fscore_support(truth, answers)
    mean: Any = precision_recall_fscore_support(truth, answers, average="weighted")
    hunger = measure_part(predictions, "label:hunger")
    weighted = measure_part(predictions, "weighted")
    for place, name in enumerate(("precision", "recall", "f1")):
        assert hunger.figures[name].value == pytest.approx(each[place][1])
        assert weighted.figures[name].value == pytest.approx(mean[place])
        low, value, high = whole(weighted.figures[name])
        assert low < value < high
    assert hunger.clips == (truth == 1).sum()
    # Always answering boredom never finds a hungry infant.
    assert set(hunger.majority.values()) == {0.0}


def test_the_interval_is_drawn_by_infant(predictions):
    one = dataclasses.replace(predictions, groups=("infant",) * CLIPS)
    alone = measure_part(one, "all").figures["accuracy"]
    assert alone.value is not None
    assert alone.low is alone.high is None
    low, value, high = whole(measure_part(predictions, "all").figures["accuracy"])
    assert low < value < high


@pytest.mark.parametrize("part", ["fold:9", "label:pain"])
def test_a_part_that_is_not_there_is_refused(predictions, part):
    with pytest.raises(ValueError, match="must"):
        measure_part(predictions, part)


def test_a_part_is_read_back_as_it_was(predictions):
    found = measure_part(predictions, "weighted")
    assert Measured.from_dict(found.to_dict()) == found
