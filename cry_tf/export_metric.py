"""What quantisation does to the figure that matters, with its uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cry_lite.decision import answers
from cry_lite.spec import ModelSpec
from cry_tf.evaluation import bootstrap

NAME = "macro-F1"


def compare_metric(
    spec: ModelSpec,
    truth: np.ndarray,
    groups: Sequence[str],
    before: np.ndarray,
    after: np.ndarray,
    seed: int = 0,
) -> dict[str, Any]:
    """Compares the macro-F1 of two sets of scores of the same clips.

    Groups are drawn with all their clips, the same ones for both sets, so that the
    interval of the change is that of the pair.

    Args:
        spec: Labels, and the threshold of a detector.
        truth: Int array `(clips,)`, index into the labels.
        groups: Group of each clip.
        before: Scores `(clips, labels)` of the Keras model.
        after: Scores `(clips, labels)` of the file.
        seed: Seed of the draws.

    Returns:
        JSON types: `name`, `clips`, `groups`, `majority` (the figure of always
        answering the commonest label), and `before`, `after` and `change`, each with
        `value` and the 95 % interval `low` to `high`.
    """
    labels = len(spec.labels)
    weights = bootstrap.group_weights(groups, seed=seed)
    weights = np.vstack([np.ones(len(truth)), weights])  # the clips themselves first
    majority = np.full(len(truth), np.bincount(truth, minlength=labels).argmax())
    draws = {
        name: _macro_f1(truth, predicted, labels, weights)
        for name, predicted in (
            ("before", answers(before, spec)),
            ("after", answers(after, spec)),
            ("majority", majority),
        )
    }
    return {
        "name": NAME,
        "clips": len(truth),
        "groups": len(set(groups)),
        "majority": float(draws["majority"][0]),
        "before": _estimate(draws["before"]),
        "after": _estimate(draws["after"]),
        "change": _estimate(draws["after"] - draws["before"]),
    }


def _macro_f1(
    truth: np.ndarray, predicted: np.ndarray, labels: int, weights: np.ndarray
) -> np.ndarray:
    """Returns the mean F1 of the labels that occur, in each draw."""
    matrices = bootstrap.confusion_matrices(truth, predicted, labels, weights)
    right = np.diagonal(matrices, axis1=1, axis2=2)
    true, given = matrices.sum(axis=2), matrices.sum(axis=1)
    f1 = 2 * right / np.maximum(true + given, 1)
    return np.where(true > 0, f1, 0).sum(axis=1) / np.maximum((true > 0).sum(axis=1), 1)


def _estimate(draws: np.ndarray) -> dict[str, float | None]:
    low, high = bootstrap.interval(draws[1:])
    return {"value": float(draws[0]), "low": low, "high": high}
