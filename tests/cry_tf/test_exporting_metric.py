from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from cry_lite.front_ends import YAMNET
from cry_lite.spec import ModelSpec
from cry_tf.exporting import compare_metric

REASONS = ModelSpec(task="reason", labels=("a", "b", "c"), front_end=YAMNET)
CRIES = ModelSpec(
    task="detect", labels=("no_cry", "cry"), front_end=YAMNET, positive_label="cry"
)


def test_the_figures_are_those_of_scikit_learn(rng):
    truth = rng.integers(0, 3, 60)
    before, after = rng.random((60, 3)), rng.random((60, 3))
    groups = [str(i // 3) for i in range(60)]
    found = compare_metric(REASONS, truth, groups, before, after)
    for name, scores in (("before", before), ("after", after)):
        expected = f1_score(truth, scores.argmax(axis=1), average="macro")
        assert found[name]["value"] == pytest.approx(expected)
        assert found[name]["low"] < expected < found[name]["high"]
    change = found["after"]["value"] - found["before"]["value"]
    assert found["change"]["value"] == pytest.approx(change)
    assert (found["clips"], found["groups"]) == (60, 20)


def test_equal_scores_change_nothing_in_any_draw(rng):
    truth, scores = rng.integers(0, 3, 30), rng.random((30, 3))
    found = compare_metric(REASONS, truth, [str(i) for i in range(30)], scores, scores)
    assert found["change"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_a_detector_is_cut_at_its_threshold():
    strict = CRIES.replace(decision=CRIES.decision.replace(onset_threshold=0.8))
    truth, groups = np.array([0, 1, 0]), ["a", "b", "c"]
    scores = np.array([[0.3, 0.7], [0.1, 0.9], [0.6, 0.4]])
    assert compare_metric(strict, truth, groups, scores, scores)["before"]["value"] == 1
    found = compare_metric(CRIES, truth, groups, scores, scores)["before"]["value"]
    assert found == pytest.approx(f1_score(truth, [1, 1, 0], average="macro"))
