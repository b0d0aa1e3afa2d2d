"""Scores of a row's network that train the student of another row, fold by fold."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cry_lite import atomic
from cry_tf.data import Dataset
from cry_tf.distillation.distill_settings import DistillSettings
from cry_tf.distillation.lesson import Lesson
from cry_tf.distillation.student_trainer import StudentTrainer
from cry_tf.studies.reproduce.result import Identity
from cry_tf.training.choose_trainer import find_micro_batch
from cry_tf.training.context import RunContext
from cry_tf.training.trainer import Fold, History, OnEpoch, Trainer

# Scores below this are taken as this: a logit of -16, as in `cry-tf distill`.
_LEAST_SCORE = 1e-7


@dataclass(frozen=True)
class TeacherScores:
    """The scores of a network that was trained once a fold.

    Attributes:
        scores: Float32 `(folds, clips, labels)`: of every clip, by the network of
            each fold, trained on all clips but those of the fold.
        folds: Int `(clips,)`, the fold that held the clip out.
    """

    scores: np.ndarray
    folds: np.ndarray

    def logits(self, fold: int, train: np.ndarray) -> np.ndarray:
        """Returns the logits of the teacher of a fold, `(clips, 1, 1, labels)`.

        Args:
            fold: Number of the fold, from 0.
            train: Places of the clips that its student is trained on.

        Raises:
            ValueError: If the teacher was trained on other clips.
        """
        trained_on = np.flatnonzero(self.folds != fold)
        if not np.array_equal(trained_on, np.sort(train)):
            raise ValueError(
                "Teacher and student must be trained on the same clips of a fold. "
                f"Received: {len(trained_on)} and {len(train)} clips in fold {fold}."
            )
        logs = np.log(np.maximum(self.scores[fold], _LEAST_SCORE))
        return logs[:, None, None].astype(np.float32)


class ScoreKeepingTrainer:
    """Wraps a trainer, and keeps the scores of every clip after each fit.

    Args:
        trainer: Trains the teacher.
        clips: How many clips there are.

    Attributes:
        epochs: Epochs of each stage of the other trainer.
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

    def teacher_scores(self, folds: np.ndarray) -> TeacherScores:
        """Returns what was noted.

        Args:
            folds: Int `(clips,)`, the fold that held each clip out.
        """
        return TeacherScores(np.stack(self.scores).astype(np.float32), folds)


def read(folder: Path, identity: Identity) -> TeacherScores | None:
    """Returns the teacher scores of a row, None if they are not kept whole."""
    try:
        # NumPy leaves a path's file open where it is damaged.
        with (
            open(_path(folder, identity), "rb") as file,
            np.load(file, allow_pickle=False) as archive,
        ):
            values = dict(archive)
        if json.loads(str(values["identity"])) != identity.to_dict():
            return None
        return TeacherScores(values["scores"], values["folds"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def write(folder: Path, identity: Identity, teacher_scores: TeacherScores) -> None:
    """Keeps teacher scores beside the result of their row, whole or not at all.

    Raises:
        OSError: If it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = _path(folder, identity)
    with atomic.replacing(target) as part, open(part, "wb") as file:
        np.savez_compressed(
            file,
            identity=np.array(json.dumps(identity.to_dict())),
            scores=teacher_scores.scores,
            folds=teacher_scores.folds,
        )


def _path(folder: Path, identity: Identity) -> Path:
    return (folder / identity.file_name).with_suffix(".teaching.npz")


class DistillingTrainer:
    """Distils, as `cry-tf distill` does, with a teacher for each fold.

    Args:
        model: The student, a `CryModel`.
        dataset: The clips.
        settings: How, with the student's own settings.
        teacher_scores: Scores that each fold's teacher gives these clips.
        context: Progress, cache and checkpoint of the run.

    Attributes:
        epochs: See `cry_tf.training.trainer.Trainer`.

    Raises:
        ValueError: If the teacher was asked about other clips.
    """

    def __init__(
        self,
        model: Any,
        dataset: Dataset,
        settings: DistillSettings,
        teacher_scores: TeacherScores,
        context: RunContext,
    ):
        shape = (len(dataset), len(dataset.labels))
        if teacher_scores.scores.shape[1:] != shape:
            raise ValueError(
                "Teacher and student must take the same clips. Received: "
                f"{teacher_scores.scores.shape[1]} and {shape[0]}."
            )
        self._teacher_scores = teacher_scores
        student = settings.student
        recipe = student.recipe
        self._lesson = Lesson(dataset, (), None, 0, student.seed, recipe.max_seconds)
        self._trainer = StudentTrainer(
            model,
            self._lesson,
            recipe,
            student.seed,
            settings.temperature,
            settings.alpha,
            micro_batch=find_micro_batch(model, dataset, student, context),
        )
        self.epochs: Sequence[int] = self._trainer.epochs

    def reset(self) -> None:
        """Puts back the weights and the optimizer of the beginning."""
        self._trainer.reset()

    def fit(
        self,
        indices: np.ndarray,
        on_epoch: OnEpoch | None = None,
        fold: Fold | None = None,
    ) -> History:
        """Trains on the clips of a fold; see `cry_tf.training.trainer.Trainer`.

        Raises:
            ValueError: If it is not the fold that its teacher was trained on, or
                the loss does not stay finite.
        """
        number = int(fold.name) if fold else 0
        logits = self._teacher_scores.logits(number, indices)
        return self._trainer.fit(indices, logits, self._lesson.truth, on_epoch, fold)

    def predict(self, indices: np.ndarray) -> np.ndarray:
        """Returns the scores `(clips, labels)` of the clips at these places."""
        return self._trainer.predict(indices)
