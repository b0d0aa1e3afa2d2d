"""A training run as a teacher: refitted for each fold, final for the last student."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from scipy.special import log_softmax

from cry_tf.data.content_digest import content_sha256
from cry_tf.distillation.lesson import Lesson
from cry_tf.distillation.resampling import ResampledBackbone
from cry_tf.distillation.teacher_cache import TeacherCache
from cry_tf.models.preset_backbone import load_backbone
from cry_tf.runs.predictions import Predictions
from cry_tf.runs.progress import Progress, counted
from cry_tf.runs.provenance import short_digests
from cry_tf.runs.run_folder import RunFolder
from cry_tf.training.choose_trainer import make_trainer
from cry_tf.training.context import RunContext
from cry_tf.training.preparation import Prepared
from cry_tf.training.settings import Settings

# Scores below this are taken as this: a logit of -16.
_LEAST_SCORE = 1e-7
_BATCH = 64


class RunTeacher:
    """A finished run of `cry-tf train`, as a teacher.

    A run keeps its final model, which was trained on every clip of its data. Where
    those are among the clips to distil on, each fold trains a teacher as the run
    was trained, on the fold's training clips.
    For a recipe that trains the head alone that takes seconds.

    Args:
        path: The run folder.

    Attributes:
        run: The run.
        settings: How it was trained.
        model: The final model.
        fitted: The model of the fold fitted last, or the final one.

    Raises:
        FileNotFoundError: If there is no run.
        ValueError: If it cannot be read, or its head is no network.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.run = RunFolder.open(path)
        if not self.run.has_network:
            head = self.run.config["settings"]["recipe"]["head"]
            raise ValueError(
                f"A teacher is a network. {self.run.path} has the head {head}, which "
                "is kept as arrays; train it with --head softmax, mlp, logreg or "
                "prototype."
            )
        self.settings = Settings.from_dict(self.run.config["settings"])
        self.model: Any = self.run.load_model()
        self.fitted: Any = self.model
        self._features: list[np.ndarray] = []  # (time, features), version by version

    @property
    def name(self) -> str:
        """Its backbone, for tables."""
        return self.settings.backbone

    def facts(self) -> dict[str, Any]:
        """Returns which run it is, as JSON types."""
        return {
            "run": str(self.run.path.absolute()),
            "model_sha256": content_sha256(self.run.model_path),
            "config_sha256": content_sha256(self.run.path / "config.json"),
            "backbone": self.settings.backbone,
            "recipe": self.settings.recipe.name,
            "data_sha256": self.run.config["data"]["sha256"],
        }

    def clips_known(self, lesson: Lesson) -> int:
        """Returns how many recordings with labels the run was trained on."""
        known = set(self.run.config["data"]["clip_digests"])
        return sum(each in known for each in short_digests(lesson.recordings))

    def predictions_but(self, files: set[str]) -> Predictions:
        """Returns the run's out-of-fold predictions but for those of some files."""
        found = self.run.predictions()
        kept = [place for place, file in enumerate(found.files) if file not in files]
        return found.subset(np.array(kept, int))

    def prepare(
        self,
        lesson: Lesson,
        prepared: Prepared,
        sample_rate_hz: int,
        context: RunContext,
    ) -> None:
        """Computes the embeddings of every clip, and gets ready to be refitted.

        Args:
            lesson: The clips.
            prepared: The labelled ones, as the student's run has them.
            sample_rate_hz: Sample rate of the student and of the copies, Hz.
            context: Progress, cache and checkpoint of the run.

        Raises:
            ValueError: If the run cannot be repeated on the clips.
            WeightsError: If it needs weights that are not there.
        """
        self._lesson, self._rate_hz = lesson, sample_rate_hz
        self._cache, progress = context.embeddings, context.progress
        self._needs_refit = self.clips_known(lesson) > 0
        self._is_light = self.settings.recipe.trains == "head"
        if self._is_light:
            self._features = self._embeddings(progress)
        self._trainer: Any = None
        if not self._needs_refit:
            progress.line(
                f"  {self.name}: not trained on these clips, so its final model is the "
                "teacher in every fold"
            )
            return
        how = "its head is" if self._is_light else "every layer of it is (slow)"
        progress.line(
            f"  {self.name}: trained on {self.clips_known(lesson)} of these "
            f"{len(lesson.recordings)} clips, so {how} trained again in "
            "each fold, without the fold's test clips"
        )
        self._fresh = self._untrained()
        settings = dataclasses.replace(self.settings, folds=2, strategy="none")
        if lesson.source is not None:  # Its clips are drawn windows already.
            recipe = settings.recipe.replace(windows=0)
            settings = dataclasses.replace(settings, recipe=recipe, events=None)
        self._trainer, kept = make_trainer(
            self._fresh,
            dataclasses.replace(prepared, problems=()),
            settings,
            RunContext(embeddings=self._cache),
        )
        if len(kept.dataset) != len(lesson.labelled):
            raise ValueError(
                f"Every clip must be one that {self.name} can score. "
                f"{len(lesson.labelled) - len(kept.dataset)} cannot be decoded."
            )

    def fit(self, train: np.ndarray) -> None:
        """Trains the teacher of a fold on the labelled clips at these places alone."""
        if self._trainer is None:
            self.fitted = self.model
            return
        self._trainer.reset()
        self._trainer.fit(train)
        self.fitted = self._fresh

    def finish(self) -> None:
        """Loads the run's final model."""
        self.fitted = self.model

    def logits(self) -> np.ndarray:
        """Returns the log scores of every version, `(clips, versions, labels)`."""
        if not self._is_light:
            lesson = self._lesson
            found = TeacherCache(self._cache.dir).logits(
                self.fitted,
                lesson.dataset,
                augment=lesson.policy,
                copies=lesson.copies,
                seed=lesson.seed,
                sample_rate_hz=self._rate_hz if lesson.copies else None,
            )
            values = np.concatenate([found.values[:, None], found.copies], axis=1)
            return log_softmax(values, axis=-1)
        head = self.fitted.head_model()
        features = self._features[0].shape[1]
        run = tf.function(
            lambda values, mask: head([values, mask], training=False),
            input_signature=[
                tf.TensorSpec([None, None, features], tf.float32),
                tf.TensorSpec([None, None], tf.bool),
            ],
            autograph=False,
        )
        lengths = np.array([len(each) for each in self._features])
        scores = np.empty((len(lengths), len(self.model.labels)), np.float32)
        order = np.argsort(lengths, kind="stable")
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            values = keras.utils.pad_sequences(
                [self._features[row] for row in rows], dtype="float32", padding="post"
            )
            mask = np.arange(values.shape[1]) < lengths[rows][:, None]
            found = run(tf.constant(values), tf.constant(mask))
            scores[rows] = np.asarray(found)
        logs = np.log(np.maximum(scores, _LEAST_SCORE))
        return logs.reshape(-1, self._lesson.versions, scores.shape[1])

    def _embeddings(self, progress: Progress) -> list[np.ndarray]:
        """Returns the embeddings of every clip, each followed by its copies'."""
        lesson = self._lesson
        backbone: Any = self.model.backbone
        # Copies are made at the student's rate, so that both get the same sound.
        own_hz = backbone.front_end_spec.sample_rate_hz
        if lesson.copies and own_hz != self._rate_hz:
            backbone = ResampledBackbone(backbone, self._rate_hz)
        title = f"embeddings of {self.name}"
        with progress.bar(title, len(lesson.dataset)) as advance:
            found = self._cache.embed(
                backbone,
                lesson.dataset,
                progress=counted(advance),
                augment=lesson.policy,
                copies=lesson.copies,
                seed=lesson.seed,
            )
        if found.problems:
            raise ValueError(
                f"Every clip must be one that {self.name} can score. The first that "
                f"cannot be decoded: {found.problems[0].sentence}"
            )
        copies = found.copies or ((),) * len(found)
        return [
            each
            for value, more in zip(found.values, copies, strict=True)
            for each in (value, *more)
        ]

    def _untrained(self) -> Any:
        """Returns the model as it was before the run trained it."""
        keras.utils.set_random_seed(self.settings.seed)
        model = type(self.model).from_config(self.model.get_config())
        if self._is_light:
            model.backbone.set_weights(self.model.backbone.get_weights())
        elif self.settings.weights is not None:
            first = load_backbone(self.name, self.settings.weights, None, True)
            model.backbone.set_weights(first.get_weights())
        return model


def check_alike(teachers: list[RunTeacher], labels: tuple[str, ...], task: str) -> None:
    """Checks that teachers have the task and the labels of the student.

    Raises:
        ValueError: If one has not, with its run.
    """
    for teacher in teachers:
        folder = Path(teacher.run.path)
        if teacher.settings.task != task:
            raise ValueError(
                f"Teachers must have the same task. Received: {task} and "
                f"{teacher.settings.task} of {folder}."
            )
        if tuple(teacher.model.labels) != tuple(labels):
            raise ValueError(
                "Teacher and data must have the same labels. Received: "
                f"{', '.join(teacher.model.labels)} of {folder}; "
                f"{', '.join(labels)} of the data. Take the data that the teacher "
                "was trained on, or train it on these."
            )
