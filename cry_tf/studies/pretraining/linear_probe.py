"""A linear probe of a pretrained student, on clips that it was not trained on."""

from __future__ import annotations

import keras
import numpy as np

from cry_tf.data import detection_labels
from cry_tf.data.dataset import Dataset
from cry_tf.evaluation import bootstrap
from cry_tf.heads.logistic import LogisticHead
from cry_tf.studies.pretraining.student_training import FeatureScale, outputs_of
from cry_tf.studies.pretraining.targets import Targets

_FOLDS = 5


def agreement(
    model: keras.Model,
    targets: Targets,
    scales: dict[str, FeatureScale],
    train: Targets,
) -> dict[str, dict[str, float]]:
    """Compares a student's heads with the teachers on windows of held-out clips.

    Args:
        model: See `student.with_heads`.
        targets: Windows of held-out clips.
        scales: Of the teachers' embeddings in training.
        train: The training windows: their mean logits are the baseline.

    Returns:
        By teacher: `same_class`, the share of windows where the highest class is
        the teacher's, and `same_class_constant` for the classes' mean logits;
        `correlation` of the logits over all classes of a window, mean over windows,
        and `correlation_constant`; `explained`, share of the embeddings' variance.
    """
    outputs = outputs_of(model, targets)
    result = {}
    for place, name in enumerate(targets.logits):
        wanted = _rows(targets.logits[name])
        got = _rows(outputs[2 * place + 1])
        usual = _rows(train.logits[name]).mean(axis=0, keepdims=True)
        hidden = scales[name](_rows(targets.embeddings[name]))
        error = np.mean((_rows(outputs[2 * place]) - hidden) ** 2)
        best = wanted.argmax(axis=1)
        result[name] = {
            "windows": len(wanted),
            "same_class": float(np.mean(got.argmax(axis=1) == best)),
            "same_class_constant": float(np.mean(usual.argmax() == best)),
            "correlation": float(np.mean(_correlation(got, wanted))),
            "correlation_constant": float(np.mean(_correlation(usual, wanted))),
            "explained": float(1 - error / hidden.var()),
        }
    return result


def probe(
    features: np.ndarray, clips: Dataset, seed: int = 0
) -> dict[str, float | None]:
    """Judges embeddings by logistic regression: cry or not, by group in 5 folds.

    Args:
        features: Float `(clips, features)`, mean embeddings.
        clips: Held-out clips, of any labels that `detection_labels` knows.
        seed: Draws folds and the interval.

    Returns:
        `auc` out of fold over all clips, `low` and `high` of its 95 % interval over
        groups, and `clips`.
    """
    mapping = detection_labels.map_labels([clip.label for clip in clips.clips])
    detection = clips.map_labels(mapping, detection_labels.LABELS)
    truth = detection.label_indices
    scores = np.zeros(len(detection))
    for train, test in detection.fold_indices(_FOLDS, seed):
        head = LogisticHead.fit(features[train], truth[train], 2, True, seed)
        scores[test] = head.scores(features[test])[:, 1]
    weights = bootstrap.group_weights(detection.groups.tolist(), seed=seed)
    aucs = bootstrap.roc_aucs(scores, truth == 1, weights)
    auc = bootstrap.roc_aucs(scores, truth == 1, np.ones((1, len(truth))))[0]
    low, high = bootstrap.interval(aucs)
    return {
        "auc": float(auc),
        "low": low,
        "high": high,
        "clips": len(truth),
    }


def clip_means(values: np.ndarray, clips: np.ndarray) -> np.ndarray:
    """Returns the mean over windows and patches of each clip `(clips, features)`."""
    if values.ndim == 3:
        values = values.mean(axis=1)
    sums = np.zeros((clips.max() + 1, values.shape[-1]))
    np.add.at(sums, clips, values.astype(np.float64))
    return sums / np.bincount(clips)[:, None]


def _rows(values: np.ndarray) -> np.ndarray:
    return values.reshape(-1, values.shape[-1]).astype(np.float32)


def _correlation(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    left = left - left.mean(axis=1, keepdims=True)
    right = right - right.mean(axis=1, keepdims=True)
    below = np.sqrt((left**2).sum(axis=1) * (right**2).sum(axis=1))
    return (left * right).sum(axis=1) / np.maximum(below, 1e-9)
