"""Reads a run folder: a trained model with its settings and figures.

`model.keras`, `config.json`, `metrics.json`, `predictions.csv` (one row a clip,
out of fold), `history.csv` and `report.html`. A head that no network can hold
(`svm`, `gmm`) has, in place of `model.keras`, `features.keras` (waveform to pooled
embedding), `head.npz` and `head.json`.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cry_tf.heads import storing
from cry_tf.runs.predictions import Predictions

FORMAT = "cry-tf run 1"
MODEL_FILE = "model.keras"
FEATURES_FILE = "features.keras"


@dataclass(frozen=True)
class RunFolder:
    """A finished training run.

    Attributes:
        path: The folder.
        config: What `config.json` holds: settings, data, weights, versions.
    """

    path: Path
    config: dict[str, Any]

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> RunFolder:
        """Reads the settings of a run.

        Args:
            path: The folder that `cry-tf train` wrote.

        Raises:
            FileNotFoundError: If it does not exist or is no run folder.
            ValueError: If its `config.json` cannot be read by this version.
        """
        path = Path(path).expanduser()
        models = (path / MODEL_FILE, path / storing.ARRAYS_FILE)
        has_model = any(model.is_file() for model in models)
        if not has_model or not (path / "config.json").is_file():
            raise FileNotFoundError(
                "A run folder holds config.json and model.keras. "
                f"{path} {'does not' if path.exists() else 'does not exist'}. "
                "Make one with cry-tf train."
            )
        try:
            config = json.loads((path / "config.json").read_text(encoding="utf-8"))
            found = config["format"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path / 'config.json'} must be what cry-tf train wrote. "
                f"It cannot be read: {error!r}."
            ) from error
        if found != FORMAT:
            raise ValueError(
                f"{path} must have the format {FORMAT!r}. Received: {found!r}. "
                "Upgrade cry-tf, or train again."
            )
        return cls(path, config)

    @property
    def has_network(self) -> bool:
        """Whether the head is part of a network, which can be exported."""
        return (self.path / MODEL_FILE).is_file()

    @property
    def model_path(self) -> Path:
        """Path of the trained model.

        Raises:
            ValueError: If the head is kept as arrays.
        """
        if not self.has_network:
            head = self.config["settings"]["recipe"]["head"]
            raise ValueError(
                f"The head {head} is kept as arrays and is no network that could be "
                f"exported or loaded as one; train {self.path} again with --head "
                "softmax, mlp, logreg or prototype."
            )
        return self.path / MODEL_FILE

    @property
    def metrics(self) -> dict[str, Any]:
        """What `metrics.json` holds: the out-of-fold figures."""
        return json.loads((self.path / "metrics.json").read_text(encoding="utf-8"))

    def load_model(self):
        """Returns the trained `CryClassifier` or `CryDetector`.

        Raises:
            ValueError: If the head is kept as arrays.
        """
        import keras

        import cry_tf.models  # noqa: F401  (registers the classes)

        return keras.saving.load_model(self.model_path)

    def predictions(self) -> Predictions:
        """Returns the out-of-fold predictions; a detector's are cut at 0.5."""
        return Predictions.read_csv(
            self.path / "predictions.csv",
            positive_label=self.config["model"]["positive_label"],
        )
