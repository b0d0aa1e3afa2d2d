"""What the network of a row teaches: its scores of every clip, fold by fold."""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cry_tf.reproduce.result import Identity
from cry_tf.training.trainer import History, Trainer

# Scores below this are taken as this: a logit of -16, as in `cry-tf distill`.
_LEAST_SCORE = 1e-7


@dataclass(frozen=True)
class Teaching:
    """The scores of a network that was trained once a fold.

    Attributes:
        scores: Float32 `(folds, clips, labels)`: of every clip, by the network of
            each fold, which heard all clips but those of the fold.
        folds: Int `(clips,)`, the fold that held the clip out.
    """

    scores: np.ndarray
    folds: np.ndarray

    def logits(self, fold: int, train: np.ndarray) -> np.ndarray:
        """Returns what the teacher of a fold says, `(clips, 1, 1, labels)`.

        Args:
            fold: Number of the fold, from 0.
            train: Places of the clips that its student is trained on.

        Raises:
            ValueError: If the teacher was trained on other clips.
        """
        heard = np.flatnonzero(self.folds != fold)
        if not np.array_equal(heard, np.sort(train)):
            raise ValueError(
                "Teacher and student must be trained on the same clips of a fold. "
                f"Received: {len(heard)} and {len(train)} clips in fold {fold}."
            )
        logs = np.log(np.maximum(self.scores[fold], _LEAST_SCORE))
        return logs[:, None, None].astype(np.float32)


class HeardTrainer:
    """Trains as another trainer does, and notes how it then scores every clip.

    Args:
        trainer: Trains the teacher.
        clips: How many clips there are.

    Attributes:
        epochs: Of the other trainer.
        scores: A float array `(clips, labels)` a fold, in their order.
    """

    def __init__(self, trainer: Trainer, clips: int):
        self._trainer, self._clips = trainer, clips
        self.epochs = trainer.epochs
        self.scores: list[np.ndarray] = []

    def reset(self) -> None:
        """Puts back the weights, optimizer and random state of the beginning."""
        self._trainer.reset()

    def fit(self, *args: Any, **kwargs: Any) -> History:
        """Trains; see `Trainer`."""
        return self._trainer.fit(*args, **kwargs)

    def predict(self, indices: np.ndarray) -> np.ndarray:
        """Scores every clip, and returns the scores of these."""
        self.scores.append(self._trainer.predict(np.arange(self._clips)))
        return self.scores[-1][indices]

    def teaching(self, folds: np.ndarray) -> Teaching:
        """Returns what was noted.

        Args:
            folds: Int `(clips,)`, the fold that held each clip out.
        """
        return Teaching(np.stack(self.scores).astype(np.float32), folds)


def read(folder: Path, identity: Identity) -> Teaching | None:
    """Returns what the row of that identity teaches, None if it is not kept whole."""
    try:
        with np.load(_path(folder, identity), allow_pickle=False) as archive:
            values = dict(archive)
        if json.loads(str(values["identity"])) != identity.to_dict():
            return None
        return Teaching(values["scores"], values["folds"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def write(folder: Path, identity: Identity, teaching: Teaching) -> None:
    """Keeps what a row teaches beside its result, whole or not at all.

    Raises:
        OSError: If it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = _path(folder, identity)
    part = target.with_name(target.name + ".part")
    with open(part, "wb") as file:
        np.savez_compressed(
            file,
            identity=np.array(json.dumps(identity.to_dict())),
            scores=teaching.scores,
            folds=teaching.folds,
        )
    os.replace(part, target)


def _path(folder: Path, identity: Identity) -> Path:
    return (folder / identity.file_name).with_suffix(".teaching.npz")
