"""Reads a run folder: a trained model beside how it was made.

`model.keras`, `config.json`, `metrics.json`, `predictions.csv` (one row a clip,
out of fold), `history.csv` and `report.html`.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cry_tf.evaluation.predictions import Predictions

FORMAT = "cry-tf run 1"


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
        if not (path / "config.json").is_file() or not (path / "model.keras").is_file():
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
    def model_path(self) -> Path:
        """Path of the trained model."""
        return self.path / "model.keras"

    @property
    def metrics(self) -> dict[str, Any]:
        """What `metrics.json` holds: the out-of-fold figures."""
        return json.loads((self.path / "metrics.json").read_text(encoding="utf-8"))

    def load_model(self):
        """Returns the trained `CryClassifier` or `CryDetector`."""
        import keras

        import cry_tf.models  # noqa: F401  (registers the classes)

        return keras.saving.load_model(self.model_path)

    def predictions(self) -> Predictions:
        """Returns the out-of-fold predictions; a detector's are cut at 0.5."""
        return Predictions.read_csv(
            self.path / "predictions.csv",
            positive_label=self.config["model"]["positive_label"],
        )
