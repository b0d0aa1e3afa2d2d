"""Figures of a model and of always giving the commonest label."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import metrics as sk

from cry_tf.evaluation import bootstrap
from cry_tf.evaluation.detection import operating_point, recall_at_rates
from cry_tf.evaluation.figures import (
    Estimate,
    FoldMetrics,
    LabelMetrics,
    Metrics,
    Summary,
)
from cry_tf.evaluation.score_calibration import calibrate
from cry_tf.runs.predictions import NO_FOLD, Predictions


def measure(predictions: Predictions, seed: int = 0) -> Metrics:
    """Measures a set of predictions.

    Labels that do not occur in the data take no part in the means, and their
    own figures are None.

    Args:
        predictions: The scored clips.
        seed: Seed of the bootstrap over groups.

    Returns:
        The metrics, each figure with its 95 % interval.
    """
    counts = np.bincount(predictions.truth, minlength=len(predictions.labels))
    majority = int(np.argmax(counts))
    weights = bootstrap.group_weights(predictions.groups, seed=seed)
    draws = _draw(predictions, weights)
    folds = _measure_folds(predictions)
    is_detector = predictions.positive_label is not None
    return Metrics(
        clips=len(predictions.files),
        groups=len(set(predictions.groups)),
        model=_measure_model(predictions, draws, weights),
        majority_label=predictions.labels[majority],
        majority=_measure_majority(predictions, majority),
        labels=_measure_labels(predictions, draws),
        confusion_matrix=tuple(
            tuple(int(n) for n in row)
            for row in sk.confusion_matrix(
                predictions.truth,
                predictions.predicted,
                labels=np.arange(len(predictions.labels)),
            )
        ),
        calibration=calibrate(predictions),
        folds=folds,
        fold_mean=_over_folds(folds, statistics.fmean),
        fold_deviation=_over_folds(folds, statistics.stdev),
        operating_point=operating_point(predictions, predictions.threshold)
        if is_detector
        else None,
        recall_at_rates=recall_at_rates(predictions) if is_detector else (),
    )


@dataclass(frozen=True)
class _Draws:
    """The figures in each draw of the bootstrap, NaN where a draw lacks a label."""

    accuracy: np.ndarray  # (draws,)
    precision: np.ndarray  # (draws, labels), as the rest
    recall: np.ndarray
    f1: np.ndarray
    auc: np.ndarray


def _draw(predictions: Predictions, weights: np.ndarray) -> _Draws:
    labels = len(predictions.labels)
    matrices = bootstrap.confusion_matrices(
        predictions.truth, predictions.predicted, labels, weights
    )
    right = np.diagonal(matrices, axis1=1, axis2=2)  # (draws, labels)
    true, given = matrices.sum(axis=2), matrices.sum(axis=1)
    absent = np.where(true > 0, 0.0, np.nan)
    aucs = [
        bootstrap.roc_aucs(predictions.scores[:, i], predictions.truth == i, weights)
        for i in range(labels)
    ]
    return _Draws(
        accuracy=right.sum(axis=1) / true.sum(axis=1),
        precision=right / np.maximum(given, 1) + absent,
        recall=right / np.maximum(true, 1) + absent,
        f1=2 * right / np.maximum(true + given, 1) + absent,
        auc=np.stack(aucs, axis=1),
    )


def _measure_labels(
    predictions: Predictions, draws: _Draws
) -> tuple[LabelMetrics, ...]:
    truth, predicted = predictions.truth, predictions.predicted
    every = np.arange(len(predictions.labels))
    precision, recall, f1, clips = _label_figures(predictions, every)
    groups = np.asarray(predictions.groups)
    return tuple(
        LabelMetrics(
            label=label,
            clips=int(clips[i]),
            groups=len(set(groups[truth == i])),
            predicted=int(np.sum(predicted == i)),
            precision=_estimate(precision[i] if clips[i] else None, draws.precision, i),
            recall=_estimate(recall[i] if clips[i] else None, draws.recall, i),
            f1=_estimate(f1[i] if clips[i] else None, draws.f1, i),
            auc=_estimate(_auc(predictions, i), draws.auc, i),
        )
        for i, label in enumerate(predictions.labels)
    )


def _measure_model(
    predictions: Predictions, draws: _Draws, weights: np.ndarray
) -> Summary:
    point = _point_figures(predictions)
    if predictions.positive_label is None:
        auc = _estimate(point["auc"], _mean_over_labels(draws.auc))
        average_precision = None
    else:
        auc = _estimate(point["auc"], draws.auc, predictions.positive_index)
        average_precision = _average_precision(predictions, weights)
    return Summary(
        accuracy=_estimate(point["accuracy"], draws.accuracy),
        balanced_accuracy=_estimate(
            point["balanced_accuracy"], _mean_over_labels(draws.recall)
        ),
        macro_f1=_estimate(point["macro_f1"], _mean_over_labels(draws.f1)),
        auc=auc,
        average_precision=average_precision,
    )


def _measure_majority(predictions: Predictions, majority: int) -> Summary:
    always = np.full_like(predictions.scores, 0.0)
    always[:, majority] = 1.0
    point = _point_figures(predictions.replace(scores=always, threshold=0.5))
    average_precision = None
    if predictions.positive_label is not None:
        average_precision = Estimate(float(predictions.is_positive.mean()))
    return Summary(
        accuracy=Estimate(point["accuracy"]),
        balanced_accuracy=Estimate(point["balanced_accuracy"]),
        macro_f1=Estimate(point["macro_f1"]),
        auc=Estimate(point["auc"]),
        average_precision=average_precision,
    )


def _point_figures(predictions: Predictions) -> dict[str, float | None]:
    truth, predicted = predictions.truth, predictions.predicted
    occurring = np.unique(truth)
    _, recall, f1, _ = _label_figures(predictions, occurring)
    if predictions.positive_label is None:
        aucs = [_auc(predictions, i) for i in range(len(predictions.labels))]
    else:
        aucs = [_auc(predictions, predictions.positive_index)]
    known = [auc for auc in aucs if auc is not None]
    return {
        "accuracy": float(np.mean(truth == predicted)),
        "balanced_accuracy": float(np.mean(recall)),
        "macro_f1": float(np.mean(f1)),
        "auc": float(np.mean(known)) if known else None,
    }


def _label_figures(predictions: Predictions, labels: np.ndarray) -> Any:
    """Precision, recall, F1 and number of clips of each label."""
    return sk.precision_recall_fscore_support(
        predictions.truth,
        predictions.predicted,
        labels=labels,
        zero_division=0,  # type: ignore[arg-type]
    )


def _auc(predictions: Predictions, label: int) -> float | None:
    is_label = predictions.truth == label
    if is_label.all() or not is_label.any():
        return None
    return float(sk.roc_auc_score(is_label, predictions.scores[:, label]))


def _average_precision(predictions: Predictions, weights: np.ndarray) -> Estimate:
    scores, positive = predictions.positive_scores, predictions.is_positive
    if not positive.any():
        return Estimate(None)
    return _estimate(
        sk.average_precision_score(positive, scores),
        bootstrap.average_precisions(scores, positive, weights),
    )


def _measure_folds(predictions: Predictions) -> tuple[FoldMetrics, ...]:
    folds = []
    for fold in np.unique(predictions.folds):
        if fold == NO_FOLD:
            continue
        held_out = predictions.subset(np.flatnonzero(predictions.folds == fold))
        point = _point_figures(held_out)
        folds.append(FoldMetrics(fold=int(fold), clips=len(held_out.files), **point))  # type: ignore[arg-type]
    return tuple(folds)


def _over_folds(
    folds: tuple[FoldMetrics, ...], reduce: Callable[[list[float]], float]
) -> dict[str, float]:
    figures = {}
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "auc"):
        values = [getattr(fold, name) for fold in folds]
        values = [value for value in values if value is not None]
        if len(values) > 1:
            figures[name] = float(reduce(values))
    return figures


def _mean_over_labels(figures: np.ndarray) -> np.ndarray:
    """Mean over axis 1 of what is not NaN; NaN where nothing is left."""
    known = ~np.isnan(figures)
    total = np.where(known, figures, 0).sum(axis=1)
    n = known.sum(axis=1)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def _estimate(
    value: float | None, draws: np.ndarray, label: int | None = None
) -> Estimate:
    if value is None:
        return Estimate(None)
    if label is not None:
        draws = draws[:, label]
    return Estimate(float(value), *bootstrap.interval(draws))
