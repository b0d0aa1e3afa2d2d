"""What one training on one split gave, kept as JSON so that it is never done twice."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cry_tf.evaluation.predictions import Predictions
from cry_tf.reproduce.clips import Split
from cry_tf.reproduce.measuring import Measured
from cry_tf.reproduce.row import Experiment
from cry_tf.runs.provenance import versions
from cry_tf.runs.result_folder import write_json
from cry_tf.training.settings import Settings

FORMAT = "cry-tf reproduced row 1"


@dataclass(frozen=True)
class Identity:
    """Everything that decides a result; another identity is another result.

    Attributes:
        experiment: What is trained.
        settings: How.
        split: `by_clip` or `by_infant`.
        data_sha256: Digest of names, labels, groups and contents of the clips.
        weights_sha256: Digest of the installed weights, or None.
        teacher: Of the network that teaches this one, or None.
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
        part = csv_path.with_name(csv_path.name + ".part")
        found.write_csv(part)
        os.replace(part, csv_path)
    part = target.with_name(target.name + ".part")
    values = {"format": FORMAT, "identity": identity.to_dict()}
    write_json(part, values | {"result": result.to_dict()})
    os.replace(part, target)
