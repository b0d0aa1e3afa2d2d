"""The result of one row on one split: figures with intervals, stored by identity."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cry_lite import atomic
from cry_tf.evaluation import bootstrap
from cry_tf.evaluation.figures import Estimate
from cry_tf.papers.row import Experiment
from cry_tf.runs.predictions import Predictions
from cry_tf.runs.provenance import versions
from cry_tf.runs.result_folder import write_json
from cry_tf.studies.reproduce.clips import Split
from cry_tf.training.settings import Settings


@dataclass(frozen=True)
class Measured:
    """One part of a result.

    Attributes:
        clips: Number of clips it is measured on.
        groups: Number of infants (devices, recordings) they come from.
        figures: Measure to figure, with a 95 % interval from a bootstrap over
            these groups, whatever the split; none where there is one group only.
        majority_label: The commonest label of the whole data.
        majority: Measure to what always answering that label gives.
    """

    clips: int
    groups: int
    figures: dict[str, Estimate]
    majority_label: str
    majority: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON types only."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Measured:
        """Reads what `to_dict` gave."""
        figures = {name: Estimate(**e) for name, e in values["figures"].items()}
        return cls(**{**values, "figures": figures})


def measure_part(predictions: Predictions, part: str) -> Measured:
    """Measures what a row shows.

    Args:
        predictions: Out of fold, with the true groups.
        part: As in `Row.part`.

    Raises:
        ValueError: If the predictions have no such part.
    """
    if part.startswith("fold:"):
        chosen = np.flatnonzero(predictions.folds == int(part[5:]) - 1)
        if not len(chosen):
            raise ValueError(f"{part} must be one of the folds. There is none.")
        inside = predictions.subset(chosen)
    else:
        inside = predictions
    counts = np.bincount(predictions.truth, minlength=len(predictions.labels))
    majority = int(np.argmax(counts))
    no_draws = np.empty((0, 0))
    is_one = len(set(inside.groups)) < 2
    weights = no_draws if is_one else bootstrap.group_weights(inside.groups)
    ours = _figures(inside, inside.predicted, part, weights)
    always = _figures(inside, np.full(len(inside.files), majority), part, no_draws)
    clips, groups = len(inside.files), set(inside.groups)
    if part.startswith("label:"):
        is_label = inside.truth == inside.labels.index(part[6:])
        clips = int(is_label.sum())
        groups = {inside.groups[place] for place in np.flatnonzero(is_label)}
    return Measured(
        clips=clips,
        groups=len(groups),
        figures=ours,
        majority_label=predictions.labels[majority],
        majority={name: float(e.value or 0.0) for name, e in always.items()},
    )


def _figures(
    predictions: Predictions, answers: np.ndarray, part: str, weights: np.ndarray
) -> dict[str, Estimate]:
    once = np.ones((1, len(answers)))
    found = _draws(predictions, answers, part, once)
    if not len(weights):
        return {name: Estimate(float(values[0])) for name, values in found.items()}
    drawn = _draws(predictions, answers, part, weights)
    return {
        name: Estimate(float(values[0]), *bootstrap.interval(drawn[name]))
        for name, values in found.items()
    }


def _draws(
    predictions: Predictions, answers: np.ndarray, part: str, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Returns each figure under each row of weights `(draws, clips)`."""
    truth, labels = predictions.truth, len(predictions.labels)
    if part == "folds":
        return {"accuracy": _fold_mean(predictions.folds, truth == answers, weights)}
    matrices = bootstrap.confusion_matrices(truth, answers, labels, weights)
    right = np.diagonal(matrices, axis1=1, axis2=2)  # (draws, labels)
    true, given = matrices.sum(axis=2), matrices.sum(axis=1)
    absent = np.where(true > 0, 0.0, np.nan)
    per_label = {
        "precision": right / np.maximum(given, 1) + absent,
        "recall": right / np.maximum(true, 1) + absent,
        "f1": 2 * right / np.maximum(true + given, 1) + absent,
    }
    if part.startswith("label:"):
        if part[6:] not in predictions.labels:
            raise ValueError(
                f"The data must hold the label {part[6:]}. "
                f"They hold: {', '.join(predictions.labels)}."
            )
        place = predictions.labels.index(part[6:])
        return {name: values[:, place] for name, values in per_label.items()}
    if part == "weighted":
        share = true / true.sum(axis=1, keepdims=True)
        return {n: np.nansum(v * share, axis=1) for n, v in per_label.items()}
    accuracy = right.sum(axis=1) / true.sum(axis=1)
    balanced = np.nanmean(per_label["recall"], axis=1)
    return {"accuracy": accuracy, "balanced_accuracy": balanced}


def _fold_mean(
    folds: np.ndarray, is_right: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Mean accuracy over the folds in each draw, of those that were drawn."""
    means = []
    for fold in np.unique(folds):
        inside = folds == fold
        total = weights[:, inside].sum(axis=1)
        right = (weights[:, inside] * is_right[inside]).sum(axis=1)
        means.append(np.where(total > 0, right / np.maximum(total, 1), np.nan))
    return np.nanmean(np.stack(means), axis=0)


FORMAT = "cry-tf reproduced row 1"


@dataclass(frozen=True)
class Identity:
    """Everything that a result depends on; the key under which it is stored.

    Attributes:
        experiment: What is trained.
        settings: How.
        split: `by_clip` or `by_infant`.
        data_sha256: Digest of names, labels, groups and contents of the clips.
        weights_sha256: Digest of the installed weights, or None.
        teacher: Identity of the teacher, or None.
        loss: Temperature and share of the labels where there is a teacher.
        versions: Of everything that can change a figure.
    """

    experiment: Experiment
    settings: Settings
    split: Split
    data_sha256: str
    weights_sha256: str | None
    teacher: Identity | None = None
    loss: dict[str, float] | None = None
    versions: dict[str, str] = dataclasses.field(default_factory=versions)

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON types only."""
        # Through JSON, as a tuple that was read back is a list.
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @property
    def file_name(self) -> str:
        """Name of the JSON; readable, and different for what is different."""
        experiment = self.experiment
        text = json.dumps(self.to_dict(), sort_keys=True)
        key = hashlib.sha256(text.encode()).hexdigest()[:12]
        method = experiment.classical.replace(" + ", "_").lower() or "-".join(
            (experiment.preset, experiment.weights or "random", experiment.pooling)
        )
        if experiment.teacher:
            method += f"-of-{experiment.teacher}"
        return f"{experiment.task}-{method}-{self.split}-{key}.json"


@dataclass(frozen=True)
class Result:
    """A finished training on one split.

    Attributes:
        parts: By variant (`keras`, or the quantization of a file) and by part, see
            `Row.part`: what was measured.
        file_bytes: Size of each kind of file, empty where none was made.
        refused: By kind of file, why none was made.
        left_out: Clips that could not be used.
        weights: Where the backbone's weights came from, in words.
        training_accuracy: Of the last epoch, mean over the folds; None for a
            classical method.
        seconds: How long it took.
    """

    parts: dict[str, dict[str, Measured]]
    file_bytes: dict[str, int]
    refused: dict[str, str]
    left_out: int
    weights: str
    training_accuracy: float | None
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON types only."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Result:
        """Reads what `to_dict` gave."""
        parts = {
            variant: {name: Measured.from_dict(part) for name, part in found.items()}
            for variant, found in values["parts"].items()
        }
        return cls(**{**values, "parts": parts})


def read(folder: Path, identity: Identity) -> Result | None:
    """Returns an earlier result of the same identity, or None.

    A file that cannot be read is passed over, and written anew when the row is done.
    """
    try:
        values = json.loads((folder / identity.file_name).read_text("utf-8"))
        if values["format"] != FORMAT or values["identity"] != identity.to_dict():
            return None
        return Result.from_dict(values["result"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write(
    folder: Path,
    identity: Identity,
    result: Result,
    predictions: dict[str, Predictions],
) -> None:
    """Writes a result and its predictions, the JSON last and whole.

    Raises:
        OSError: If it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / identity.file_name
    for variant, found in predictions.items():
        csv_path = target.with_suffix(f".{variant}.csv")
        with atomic.replacing(csv_path) as part:
            found.write_csv(part)
    values = {"format": FORMAT, "identity": identity.to_dict()}
    with atomic.replacing(target) as part:
        write_json(part, values | {"result": result.to_dict()})
