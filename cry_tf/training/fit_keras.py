"""Runs the stages of a fit epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from cry_tf.training import memory
from cry_tf.training.course import Course, Fold, History, Progress, State, Tell
from cry_tf.training.stage import Stage

_NAMED_FILES = 8


def fit_courses(
    courses: Sequence[Callable[[], Course]],
    stages: Sequence[Stage],
    tell: Tell | None = None,
    fold: Fold | None = None,
) -> History:
    """Runs the stages of a fit one after the other, from where it was left.

    Args:
        courses: Makes the course of each stage when its turn comes.
        stages: Of the courses.
        tell: Hears of each epoch.
        fold: What surrounds the fit.

    Returns:
        Figures of each epoch.

    Raises:
        ValueError: If the loss does not stay finite, or the memory is too small.
    """
    fold, tell = fold or Fold(), tell or (lambda epoch, was_trained: None)
    kept = fold.slot.load() if fold.slot else None
    progress = Progress(**kept[0]["progress"]) if kept else Progress()
    before = 0
    for number, stage in enumerate(stages):
        if number < progress.stage:
            _tell_all(tell, range(before, before + stage.epochs))
            before += stage.epochs
            continue
        if number > progress.stage:
            progress = Progress(number, history=progress.history)
        course, best = courses[number](), []
        if kept:
            best = _restore(course.state, kept[1])
            _tell_all(tell, range(before, before + progress.epoch))
            kept = None
        if not progress.is_over(stage):
            best = _fit(course, progress, best, tell, before, fold)
        if best:
            course.state.restore(best)
        _tell_all(tell, range(before + progress.epoch, before + stage.epochs))
        before += stage.epochs
    return progress.history


def _tell_all(tell: Tell, epochs: range) -> None:
    for epoch in epochs:
        tell(epoch, False)


def _restore(state: State, arrays: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Puts back the kept variables, and returns the best ones so far."""
    now = [arrays[f"now{n}"] for n in range(len(state))]
    state.restore(now)
    return [arrays[f"best{n}"] for n in range(len(now)) if f"best{n}" in arrays]


def _fit(
    course: Course,
    progress: Progress,
    best: list[np.ndarray],
    tell: Tell,
    before: int,
    fold: Fold,
) -> list[np.ndarray]:
    """Trains a stage to its end, and returns its best variables, if any are."""
    watch = _Watch(course, progress, best, fold, lambda n: tell(before + n, True))
    callbacks: list[Any] = [watch]
    if fold.tensorboard is not None:
        place = fold.tensorboard / f"fold-{fold.name}" / course.stage.trains
        callbacks.append(keras.callbacks.TensorBoard(str(place), write_graph=False))
    with memory.explained(
        f"the stage {course.stage.trains} was trained", course.advice
    ):
        course.model.fit(
            course.batches,
            initial_epoch=progress.epoch,
            epochs=course.stage.epochs,
            steps_per_epoch=None if course.done is None else 1,
            shuffle=False,
            verbose=0,
            callbacks=callbacks,
        )
    return watch.best


class _Watch(keras.callbacks.Callback):
    """Sets the rate, looks at the loss, keeps the state and tells of each epoch."""

    def __init__(
        self,
        course: Course,
        progress: Progress,
        best: list[np.ndarray],
        fold: Fold,
        tell: Callable[[int], None],
    ):
        super().__init__()
        self._course, self._progress, self._fold = course, progress, fold
        self._tell, self.best, self.epoch = tell, best, progress.epoch
        self._batch, self._rate = 0, 0.0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.epoch = self._course.order.epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        if self._course.done is not None:  # it sets the rates itself
            batch = self._course.order.batches - 1
        # The middle of the step: neither the first nor the last one is lost to 0.
        done = self.epoch + (batch + 0.5) / self._course.order.batches
        rate = self._course.stage.rate_at(done)
        if rate != self._rate:
            self._course.model.optimizer.learning_rate = rate
            self._rate = rate

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        loss = float((logs or {}).get("loss", math.nan))  # the mean of the epoch
        if math.isfinite(loss):
            return
        course = self._course
        if course.done is not None:
            batch = course.done() - 1
        files = course.names(course.order.batch(batch))
        named = ", ".join(dict.fromkeys(files[:_NAMED_FILES]))
        if len(files) > _NAMED_FILES:
            named += f" and {len(files) - _NAMED_FILES} more"
        raise ValueError(
            f"The loss must stay finite. It became {loss} in epoch {self.epoch + 1}, "
            f"batch {batch + 1} ({named or 'clips without names'}), with "
            f"learning_rate={self._rate:g}. Lower the learning rate, or look for a "
            "damaged clip or weights file."
        )

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        logs = {} if logs is None else logs
        course, progress = self._course, self._progress
        progress.epoch = epoch + 1
        val_loss = None
        if course.validate is not None:
            val_loss = logs["val_loss"] = course.validate()
            # A better share of nothing is no reason to stop early.
            if course.stage.patience and val_loss < progress.best_loss:
                progress.best_loss, progress.best_epoch = val_loss, epoch + 1
                self.best = course.state.values()
        row = {
            "stage": course.stage.trains,
            "loss": float(logs["loss"]),
            "accuracy": float(logs["accuracy"]),
            "learning_rate": self._rate,
            "val_loss": val_loss,
        }
        for name, value in row.items():
            progress.history.setdefault(name, []).append(value)
        self._keep()
        if progress.is_over(course.stage):
            course.model.stop_training = True
        self._tell(epoch)

    def _keep(self) -> None:
        if self._fold.slot is None:
            return
        arrays = {f"now{n}": v for n, v in enumerate(self._course.state.values())}
        arrays |= {f"best{n}": value for n, value in enumerate(self.best)}
        facts = {"progress": vars(self._progress)}
        self._fold.slot.save(facts, arrays)
