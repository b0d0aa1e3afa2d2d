"""Runs the folds of a distillation: teacher, student alone, student distilled."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax

from cry_export import ConversionError, ParityError
from cry_lite.interpreter import LiteRTModel
from cry_tf import exporting
from cry_tf.data.dataset import Dataset
from cry_tf.data.grouping import plural
from cry_tf.distillation.distill_settings import DistillSettings
from cry_tf.distillation.lesson import Lesson, pseudo_labels, sure_from
from cry_tf.distillation.run_teacher import RunTeacher
from cry_tf.distillation.student_trainer import StudentTrainer
from cry_tf.runs.forecast import Forecast
from cry_tf.training.context import RunContext
from cry_tf.training.cross_validation import (
    FINAL,
    HistoryRow,
    OutOfFold,
    fold_of_clip,
    history_rows,
)
from cry_tf.training.trainer import Fold

_SECONDS = 10
_RUNS = 7


@dataclass(frozen=True)
class MadeFile:
    """A `.tflite` of a model.

    Attributes:
        file_bytes: Size of the file.
        latency_ms: Median time for 10 s of noise with one thread, milliseconds.
    """

    file_bytes: int
    latency_ms: float


class FoldFiles:
    """Exports models and measures the files.

    Args:
        work: Folder for the files, for its owner to delete.

    Attributes:
        refused: Reason why there is no file, by name of the model.
    """

    def __init__(self, work: Path):
        self._work = work
        self.refused: dict[str, str] = {}

    def scores(self, name: str, model: Any, fold: Dataset) -> np.ndarray | None:
        """Returns the dynamic-range file's scores of clips, None if there is none."""
        path = self._export(name, model, fold, "dynamic")
        if path is None:
            return None
        return exporting.file_scores(path, fold)

    def measure(
        self, name: str, model: Any, clips: Dataset, quantize: str
    ) -> MadeFile | None:
        """Returns size and speed of a file, None if there is none."""
        path = self._export(name, model, clips, quantize)
        if path is None:
            return None
        runner = LiteRTModel(path, num_threads=1)
        rate_hz = model.spec.sample_rate_hz
        noise = np.random.default_rng(0).normal(0, 0.1, _SECONDS * rate_hz)
        waveform = noise.clip(-1, 1).astype(np.float32)
        times = []
        for _ in range(_RUNS):
            began = time.perf_counter()
            runner(waveform)
            times.append(time.perf_counter() - began)
        # Without the first run, which allocates memory.
        return MadeFile(path.stat().st_size, 1000 * float(np.median(times[1:])))

    def _export(
        self, name: str, model: Any, clips: Dataset, quantize: str
    ) -> Path | None:
        if name in self.refused:
            return None
        path = self._work / f"{name}-{quantize}.tflite"
        try:
            exporting.export_fold(model, path, clips, quantize)
        except (ParityError, ConversionError) as error:
            self.refused[name] = str(error)
            return None
        return path


ROWS = ("teacher", "alone", "distilled")


class Folds:
    """Trains and scores every fold, and saves each finished part.

    Args:
        model: The student, with the weights that every fit begins from.
        lesson: The clips that it is trained on.
        settings: Settings of the distillation.
        teachers: Prepared for these clips.
        context: Of the run; its checkpoint keeps finished parts.
        work: Folder for files, for its owner to delete.

    Attributes:
        files: Dynamic-range files of the models.
        entered: How many windows entered with a label in the final training, None
            without the filter.
        thresholds: Of the filter in the final training, one dict a teacher.
    """

    def __init__(
        self,
        model: Any,
        lesson: Lesson,
        settings: DistillSettings,
        teachers: Sequence[RunTeacher],
        context: RunContext,
        work: Path,
    ):
        self._model, self._lesson, self._settings = model, lesson, settings
        self._teachers = teachers
        self._checkpoint, self._progress = context.checkpoint, context.progress
        self.files = FoldFiles(work)
        self.entered: int | None = None
        self.thresholds: list[dict[str, float | None]] = []
        recipe, seed = settings.student.recipe, settings.student.seed
        self._distiller = StudentTrainer(
            model,
            lesson,
            recipe,
            seed,
            settings.temperature,
            settings.alpha,
            settings.teacher_weights,
        )
        self._loner = self._distiller
        if settings.alone:
            self._loner = StudentTrainer(
                model, lesson, recipe, seed, settings.temperature, alpha=1.0
            )
        # `Distiller` has checked the weights.
        weights = np.array(settings.teacher_weights or [1.0] * len(teachers))
        self._shares = weights / weights.sum()

    @property
    def trainer(self) -> StudentTrainer:
        """Trains the distilled student."""
        return self._distiller

    def cross_validate(
        self, places: Sequence[tuple[np.ndarray, np.ndarray]]
    ) -> tuple[dict[str, list[np.ndarray | None]], OutOfFold]:
        """Trains and scores every fold, then the final student.

        Args:
            places: Of training and test clips in each fold.

        Returns:
            By row of `ROWS`, the scores `(clips, labels)` of the model and of its
            dynamic-range file (None without); and what the distilled student
            gave. The model is left as the final student.
        """
        rows = [row for row in ROWS if row != "alone" or self._settings.alone]
        count = len(self._lesson.labelled)
        shape = (2, count, len(self._model.labels))
        scores = {row: np.full(shape, np.nan, np.float32) for row in rows}
        history: list[HistoryRow] = []
        students = len(rows) - 1
        fits = len(places) * students + 1
        epochs = self._settings.student.recipe.epochs
        each = " and ".join(f"the student {row}" for row in rows if row != "teacher")
        self._progress.line(
            f"{plural(fits, 'training')} of {plural(epochs, 'epoch')}: {each} in each "
            "fold, and the final student"
            + (" (--no-alone halves them)" if "alone" in rows else "")
        )
        title = f"distilling ({plural(len(places), 'fold')}, then all)"
        forecast = Forecast((epochs,), fits)
        with self._progress.bar(title, fits * epochs) as advance:

            def on_epoch(epoch: int, was_trained: bool) -> None:
                advance(forecast.update(epoch, was_trained))

            for number, (train, test) in enumerate(places):
                for row, (found, past) in self._fold(
                    number, train, test, rows, on_epoch
                ).items():
                    scores[row][:, test] = found
                    if row == "distilled":
                        history += history_rows(str(number), past)
            history += history_rows(FINAL, self._final(on_epoch))
        found = {
            row: [None if np.isnan(each).any() else each for each in pair]
            for row, pair in scores.items()
        }
        distilled = scores["distilled"][0]
        return found, OutOfFold(distilled, fold_of_clip(places), tuple(history))

    def _fold(self, number, train, test, rows, on_epoch) -> dict[str, tuple]:
        done: dict[str, tuple] = {}
        for row in rows:
            kept = self._kept_fold(f"{number}-{row}")
            if kept is not None:
                done[row] = kept
                if row != "teacher":
                    for epoch in range(sum(self._distiller.epochs)):
                        on_epoch(epoch, False)
        if len(done) == len(rows):
            return done
        fold = self._lesson.labelled.subset(test)
        for teacher in self._teachers:
            teacher.fit(train)
        logits = self._logits()
        for row in rows:
            if row in done:
                continue
            if row == "teacher":
                scores = self._teacher_scores(logits[test, 0])
                # Several teachers are no single file.
                model = self._teachers[0].fitted if len(self._teachers) == 1 else None
                past: Any = {"loss": [], "accuracy": []}
            else:
                past = self._train(row, number, train, test, logits, on_epoch)
                trainer = self._loner if row == "alone" else self._distiller
                scores, model = trainer.predict(test), self._model
            filed = None
            if self._settings.quantized and model is not None:
                filed = self.files.scores(row, model, fold)
            nothing = np.full_like(scores, np.nan)
            found = np.stack([scores, nothing if filed is None else filed])
            if self._checkpoint:
                self._checkpoint.save_fold(f"{number}-{row}", found, past)
            done[row] = (found, past)
        return done

    def _train(self, row, number, train, test, logits, on_epoch) -> Any:
        slot = self._around(f"{number}-{row}")
        try:
            if row == "alone":
                self._loner.reset()
                return self._loner.fit(
                    train, logits[:, :, :1], self._lesson.truth, on_epoch, slot
                )
            indices, truth, *_ = self._pseudo_labelled(train, logits, test)
            self._distiller.reset()
            return self._distiller.fit(indices, logits, truth, on_epoch, slot)
        except ValueError as error:
            raise ValueError(f"Fold {number}, {row}: {error}") from error

    def _final(self, on_epoch) -> Any:
        for teacher in self._teachers:
            teacher.finish()
        logits = self._logits()
        everything = np.arange(len(self._lesson.labelled))
        nothing = np.array([], int)
        indices, truth, thresholds = self._pseudo_labelled(everything, logits, nothing)
        if self._settings.filter:
            self.thresholds = thresholds
            self.entered = len(indices) - len(everything)
            self._progress.line(
                f"filter: {self.entered} of "
                f"{plural(len(self._lesson.windows), 'window')} get a pseudo-label"
            )
        self._distiller.reset()
        slot = self._around(FINAL)
        return self._distiller.fit(indices, logits, truth, on_epoch, slot)

    def _pseudo_labelled(self, train, logits, test):
        """Returns places and labels of what is trained on, and the thresholds."""
        lesson, truth = self._lesson, self._lesson.truth
        windows = lesson.window_places
        if not self._settings.filter:
            return np.concatenate([train, windows]), truth, []
        files = {lesson.labelled.clips[int(place)].name for place in test}
        thresholds = [
            sure_from(teacher.predictions_but(files), self._settings.filter_precision)
            for teacher in self._teachers
        ]
        labels = pseudo_labels(
            softmax(logits[windows, 0], axis=-1), thresholds, self._model.labels
        )
        truth = truth.copy()
        truth[windows] = labels
        return np.concatenate([train, windows[labels >= 0]]), truth, thresholds

    def _kept_fold(self, name: str) -> tuple[np.ndarray, Any] | None:
        return self._checkpoint.fold(name) if self._checkpoint else None

    def _around(self, name: str) -> Fold:
        return Fold(name, self._checkpoint.slot(name) if self._checkpoint else None)

    def _logits(self) -> np.ndarray:
        """Returns `(clips, versions, teachers, labels)`."""
        return np.stack([teacher.logits() for teacher in self._teachers], axis=2)

    def _teacher_scores(self, logits: np.ndarray) -> np.ndarray:
        """Returns the teachers' mean scores `(clips, labels)`."""
        weighed = softmax(logits, axis=-1) * self._shares[:, None]
        return weighed.sum(axis=1).astype(np.float32)
