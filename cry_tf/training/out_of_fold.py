"""What cross-validation says about each clip, with all that is known of the clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from cry_tf.data import Dataset, sound_source
from cry_tf.evaluation.predictions import Predictions
from cry_tf.training import detection_labels


def fold_of_clip(folds: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Returns which fold holds each clip out, int `(clips,)`.

    Args:
        folds: Places of the training and of the test clips; each clip is in one
            test part.

    Raises:
        ValueError: If the test parts do not hold each clip once, or there is none.
    """
    if not folds:
        raise ValueError("Cross-validation needs at least one fold. Received: 0.")
    tested = np.concatenate([test for _, test in folds])
    if not np.array_equal(np.sort(tested), np.arange(len(tested))):
        raise ValueError("The folds must hold out each clip exactly once.")
    found = np.empty(len(tested), int)
    for number, (_, test) in enumerate(folds):
        found[test] = number
    return found


def predictions_of(
    dataset: Dataset,
    scores: np.ndarray,
    folds: np.ndarray,
    task: Literal["detect", "reason"],
    groups: Mapping[Path, str] | None = None,
) -> Predictions:
    """Returns out-of-fold scores as predictions.

    Args:
        dataset: The clips.
        scores: Float array `(clips, labels)` in [0, 1].
        folds: Int array `(clips,)`, the fold that held the clip out.
        task: `detect` or `reason`.
        groups: Path to true group, where the folds were drawn over others; None
            for those of the clips.
    """
    clips = dataset.clips
    return Predictions(
        files=tuple(clip.name for clip in clips),
        labels=dataset.labels,
        truth=dataset.label_indices,
        scores=scores,
        groups=tuple(groups[clip.path] if groups else clip.group for clip in clips),
        folds=folds,
        durations_s=np.array(
            [sound_source.info(clip.path).duration_s for clip in clips]
        ),
        positive_label=detection_labels.POSITIVE if task == "detect" else None,
    )
