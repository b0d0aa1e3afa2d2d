"""Trains a student on what the network of another row makes of the same clips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cry_tf.data import Dataset
from cry_tf.distillation.lesson import Lesson
from cry_tf.distillation.settings import DistillSettings
from cry_tf.distillation.student_trainer import StudentTrainer
from cry_tf.reproduce.teaching import Teaching
from cry_tf.training.choose_trainer import find_micro_batch
from cry_tf.training.context import RunContext
from cry_tf.training.trainer import Fold, History, Tell


class TaughtTrainer:
    """Distils, as `cry-tf distill` does, with a teacher for each fold.

    Args:
        model: The student, a `CryModel`.
        dataset: The clips.
        settings: How, with the student's own settings.
        teaching: What the teacher of each fold says of these clips.
        context: Of the run.

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
        teaching: Teaching,
        context: RunContext,
    ):
        shape = (len(dataset), len(dataset.labels))
        if teaching.scores.shape[1:] != shape:
            raise ValueError(
                "Teacher and student must hear the same clips. Received: "
                f"{teaching.scores.shape[1]} and {shape[0]}."
            )
        self._teaching = teaching
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
        self, indices: np.ndarray, tell: Tell | None = None, fold: Fold | None = None
    ) -> History:
        """Trains on the clips of a fold; see `cry_tf.training.trainer.Trainer`.

        Raises:
            ValueError: If it is not the fold that its teacher was trained on, or
                the loss does not stay finite.
        """
        number = int(fold.name) if fold else 0
        logits = self._teaching.logits(number, indices)
        return self._trainer.fit(indices, logits, self._lesson.truth, tell, fold)

    def predict(self, indices: np.ndarray) -> np.ndarray:
        """Returns the scores `(clips, labels)` of the clips at these places."""
        return self._trainer.predict(indices)
