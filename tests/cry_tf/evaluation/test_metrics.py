import numpy as np
import pytest

from cry_tf.evaluation.metrics import measure
from cry_tf.runs.predictions import NO_FOLD, Predictions


def predictions(truth, answers, labels=("a", "b", "c"), **changes):
    truth, answers = np.array(truth), np.array(answers)
    values = {
        "files": tuple(f"{i}.wav" for i in range(len(truth))),
        "labels": tuple(labels),
        "truth": truth,
        "scores": np.eye(len(labels))[answers],
        "groups": tuple(f"g{i}" for i in range(len(truth))),
        "folds": np.full(len(truth), NO_FOLD),
        "durations_s": np.full(len(truth), 5.0),
    }
    return Predictions(**{**values, **changes})


def test_figures_agree_with_a_hand_calculation():
    # a: 4 clips, 3 found; b: 2 clips, 1 found; c: 1 clip, none found.
    found = measure(predictions([0, 0, 0, 0, 1, 1, 2], [0, 0, 0, 1, 1, 0, 0]))

    assert found.confusion_matrix == ((3, 1, 0), (1, 1, 0), (1, 0, 0))
    assert found.model.accuracy.value == pytest.approx(4 / 7)
    assert found.model.balanced_accuracy.value == pytest.approx((3 / 4 + 1 / 2) / 3)
    # F1: a 2 * 3 / (4 + 5), b 2 * 1 / (2 + 2), c 0.
    assert found.model.macro_f1.value == pytest.approx((6 / 9 + 1 / 2 + 0) / 3)
    a, b, c = found.labels
    assert (a.clips, a.predicted) == (4, 5)
    assert a.precision.value == pytest.approx(3 / 5)
    assert a.recall.value == pytest.approx(3 / 4)
    assert b.f1.value == pytest.approx(1 / 2)
    assert (c.precision.value, c.recall.value, c.predicted) == (0, 0, 0)


def test_the_majority_row_always_gives_the_commonest_label():
    found = measure(predictions([0, 0, 0, 1], [1, 1, 1, 1], labels=("a", "b")))

    assert found.majority_label == "a"
    assert found.majority.accuracy.value == pytest.approx(0.75)
    assert found.majority.balanced_accuracy.value == pytest.approx(0.5)
    assert found.majority.macro_f1.value == pytest.approx((6 / 7 + 0) / 2)
    assert found.majority.auc.value == pytest.approx(0.5)


def test_a_label_that_does_not_occur_takes_no_part():
    found = measure(predictions([0, 0, 1, 1], [0, 2, 1, 1]))

    assert found.model.balanced_accuracy.value == pytest.approx(3 / 4)
    assert found.model.macro_f1.value == pytest.approx((2 / 3 + 1) / 2)
    absent = found.labels[2]
    assert absent.clips == 0
    assert absent.predicted == 1
    assert absent.recall.value is None
    assert absent.auc.value is None


def test_the_auc_of_a_detector_counts_pairs_in_the_right_order():
    scores = np.array([0.1, 0.4, 0.35, 0.8])
    found = measure(
        predictions(
            [0, 0, 1, 1],
            [0, 0, 0, 0],
            labels=("no_cry", "cry"),
            scores=np.stack([1 - scores, scores], axis=1),
            positive_label="cry",
        )
    )

    assert found.model.auc.value == pytest.approx(3 / 4)
    # Precision 1/1 at the first positive, 2/3 at the second.
    assert found.model.average_precision is not None
    assert found.model.average_precision.value == pytest.approx((1 + 2 / 3) / 2)


def test_one_class_alone_has_no_auc_but_still_false_alarms():
    scores = np.array([0.1, 0.9])
    found = measure(
        predictions(
            [0, 0],
            [0, 0],
            labels=("no_cry", "cry"),
            scores=np.stack([1 - scores, scores], axis=1),
            durations_s=np.array([1800.0, 1800.0]),
            positive_label="cry",
        )
    )

    assert found.model.auc.value is None
    assert found.operating_point is not None
    assert found.operating_point.false_alarms_per_hour == pytest.approx(1)
    assert found.operating_point.recall is None
    assert found.recall_at_rates == ()


def test_folds_have_figures_of_their_own_with_mean_and_deviation():
    found = measure(
        predictions(
            [0, 1, 0, 1],
            [0, 1, 0, 0],
            labels=("a", "b"),
            folds=np.array([0, 0, 1, 1]),
        )
    )

    assert [fold.accuracy for fold in found.folds] == [1.0, 0.5]
    assert found.fold_mean["accuracy"] == pytest.approx(0.75)
    assert found.fold_deviation["accuracy"] == pytest.approx(np.std([1, 0.5], ddof=1))


def test_intervals_are_wider_when_clips_come_from_few_groups(rng):
    truth = rng.integers(0, 2, 200)
    groups = np.arange(200) // 20
    # Whole groups are right or wrong together.
    answers = np.where(groups % 3 == 0, 1 - truth, truth)
    alone = measure(predictions(truth, answers, labels=("a", "b")))
    grouped = measure(
        predictions(truth, answers, labels=("a", "b"), groups=tuple(map(str, groups)))
    )

    def width(found):
        return found.model.accuracy.high - found.model.accuracy.low

    assert width(grouped) > 2 * width(alone)
    assert grouped.model.accuracy.value == alone.model.accuracy.value
    assert grouped.groups == 10


def test_metrics_become_json_types(rng):
    import json

    truth = rng.integers(0, 3, 30)
    found = measure(predictions(truth, truth))
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["clips"] == 30


def test_chance_is_called_chance_and_skill_is_not(rng):
    truth = rng.integers(0, 2, 100)
    guesses = rng.integers(0, 2, 100)
    by_chance = measure(predictions(truth, guesses, labels=("a", "b"))).verdict

    assert by_chance is not None
    assert "Not better than chance" in by_chance
    assert measure(predictions(truth, truth, labels=("a", "b"))).verdict is None
