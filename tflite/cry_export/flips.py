"""Where two models decide differently, and how clear the decision was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cry_lite.decision import answers
from cry_lite.spec import ModelSpec


@dataclass(frozen=True, kw_only=True)
class Flip:
    """A clip on which the two models decide differently.

    Attributes:
        clip: Its name.
        keras: What the Keras model decides.
        tflite: What the TFLite file decides.
        margin: How clear the Keras model's decision was, in [0, 1].
    """

    clip: str
    keras: str
    tflite: str
    margin: float


def find_flips(
    expected: np.ndarray, found: np.ndarray, spec: ModelSpec, names: Sequence[str]
) -> tuple[Flip, ...]:
    """Lists the clips on which two sets of scores lead to different decisions.

    A detector's clip is a cry from the spec's onset threshold on; a reason is
    the label with the best score.

    Args:
        expected: Scores of the Keras model, `(clips, labels)`.
        found: Scores of the TFLite file, the same shape.
        spec: Labels and thresholds.
        names: One a clip.
    """
    before, margins = _decisions(expected, spec)
    after, _ = _decisions(found, spec)
    return tuple(
        Flip(
            clip=names[i],
            keras=before[i],
            tflite=after[i],
            margin=float(margins[i]),
        )
        for i in range(len(before))
        if before[i] != after[i]
    )


def _decisions(scores: np.ndarray, spec: ModelSpec) -> tuple[list[str], np.ndarray]:
    """Returns what each clip is taken for, and how clear that is."""
    if spec.task == "detect" and spec.positive_label is not None:
        score = scores[:, spec.labels.index(spec.positive_label)]
        places = answers(scores, spec)
        names = [
            label if label == spec.positive_label else f"no {spec.positive_label}"
            for label in (spec.labels[place] for place in places)
        ]
        return names, np.abs(score - spec.decision.onset_threshold)
    best = np.sort(scores, axis=1)
    names = [spec.labels[i] for i in answers(scores, spec)]
    return names, best[:, -1] - best[:, -2]
