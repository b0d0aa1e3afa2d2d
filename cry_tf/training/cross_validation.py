"""Cross-validation: every clip is scored by a model not trained on its group."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from cry_tf.data import Dataset, detection_labels, sound_source
from cry_tf.runs.checkpoint import Checkpoint
from cry_tf.runs.forecast import Forecast
from cry_tf.runs.predictions import Predictions
from cry_tf.training.context import RunContext
from cry_tf.training.plan import Plan
from cry_tf.training.trainer import Fold, History, OnEpoch, Trainer


def fold_of_clip(folds: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Returns which fold holds each clip out, int `(clips,)`.

    Args:
        folds: Places of the training and of the test clips; each clip is in one
            test part.

    Raises:
        ValueError: If the test parts do not hold each clip once, or there is none.
    """
    if not folds:
        raise ValueError("Cross-validation needs at least one fold. Received: 0.")
    tested = np.concatenate([test for _, test in folds])
    if not np.array_equal(np.sort(tested), np.arange(len(tested))):
        raise ValueError("The folds must hold out each clip exactly once.")
    found = np.empty(len(tested), int)
    for number, (_, test) in enumerate(folds):
        found[test] = number
    return found


def predictions_of(
    dataset: Dataset,
    scores: np.ndarray,
    folds: np.ndarray,
    task: Literal["detect", "reason"],
    groups: Mapping[Path, str] | None = None,
) -> Predictions:
    """Returns out-of-fold scores as predictions.

    Args:
        dataset: The clips.
        scores: Float array `(clips, labels)` in [0, 1].
        folds: Int array `(clips,)`, the fold that held the clip out.
        task: `detect` or `reason`.
        groups: Path to true group, where the folds were drawn over others; None
            for those of the clips.
    """
    clips = dataset.clips
    domains = tuple(clip.domain for clip in clips)
    return Predictions(
        files=tuple(clip.name for clip in clips),
        labels=dataset.labels,
        truth=dataset.label_indices,
        scores=scores,
        groups=tuple(groups[clip.path] if groups else clip.group for clip in clips),
        folds=folds,
        durations_s=np.array(
            [sound_source.info(clip.path).duration_s for clip in clips]
        ),
        positive_label=detection_labels.POSITIVE if task == "detect" else None,
        domains=domains if any(domains) else None,
    )


FINAL = "all"


@dataclass(frozen=True)
class HistoryRow:
    """One epoch.

    Attributes:
        fold: Number of the fold that was held out, or `all` for the final model.
        stage: What was trained: `head`, `last` or `all`.
        epoch: Number of the epoch, from 1, over all stages.
        loss: Mean weighted loss over the training clips.
        accuracy: Share of the training clips classified correctly, while training.
        learning_rate: Of the head, in the last batch; None where a head was fitted.
        val_loss: Cross-entropy over the validation clips, taken from the training
            clips; None where none are held out.
    """

    fold: str
    stage: str
    epoch: int
    loss: float
    accuracy: float
    learning_rate: float | None
    val_loss: float | None


@dataclass(frozen=True)
class OutOfFold:
    """The result of cross-validation.

    Attributes:
        scores: Float array `(clips, labels)`.
        folds: Int array `(clips,)`, the fold that held the clip out.
        history: One row an epoch of every fold.
        without_domain: Float array `(clips, labels)`, the scores by a model that was
            trained without the clip's domain, NaN where there is none; or None.
    """

    scores: np.ndarray
    folds: np.ndarray
    history: tuple[HistoryRow, ...]
    without_domain: np.ndarray | None = None


def cross_validate(
    plan: Plan, context: RunContext, *, is_final: bool = True
) -> OutOfFold:
    """Trains a model for each fold and without each domain, then the final one.

    Args:
        plan: Of the run. Its model is left trained on every clip.
        context: Progress, cache and checkpoint of the run.
        is_final: False leaves the final training out, and the model as the last
            fold left it.

    Returns:
        The out-of-fold scores, with the history of every fit.

    Raises:
        ValueError: If a loss is not finite, or the memory is too small.
    """
    trainer, folds, checkpoint = plan.trainer, plan.folds, context.checkpoint
    without = len(plan.domain_folds)
    fits = len(folds) + without + is_final
    forecast = Forecast(trainer.epochs, fits)
    title = f"training ({len(folds)} folds"
    title += f", without each of {without} domains" if without else ""
    title += ", then all)" if is_final else ")"
    with context.progress.bar(title, sum(trainer.epochs) * fits) as advance:

        def on_epoch(epoch: int, was_trained: bool) -> None:
            advance(forecast.update(epoch, was_trained))

        found = fit_folds(trainer, folds, on_epoch, checkpoint, context.tensorboard)
        if plan.domain_folds:
            scores = np.full_like(found.scores, np.nan)
            for each in plan.domain_folds:
                scores[each.test], _ = _fold(
                    trainer,
                    each.slot,
                    each.train,
                    each.test,
                    on_epoch,
                    checkpoint,
                    context.tensorboard,
                )
            found = dataclasses.replace(found, without_domain=scores)
        if not is_final:
            return found
        trainer.reset()
        slot = checkpoint.slot(FINAL) if checkpoint else None
        everything = np.arange(len(plan.prepared.dataset))
        final = trainer.fit(
            everything, on_epoch, Fold(FINAL, slot, context.tensorboard)
        )
    history = (*found.history, *history_rows(FINAL, final))
    return dataclasses.replace(found, history=history)


def fit_folds(
    trainer: Trainer,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    on_epoch: OnEpoch = lambda epoch, was_trained: None,
    kept: Checkpoint | None = None,
    tensorboard: Path | None = None,
) -> OutOfFold:
    """Trains on the first part of each fold, and scores the second.

    Args:
        trainer: How to train.
        folds: Places of the training and of the test clips; each clip is in one
            test part.
        on_epoch: Called after each epoch.
        kept: Where finished folds and epochs are kept, and taken from.
        tensorboard: Folder of logs, or None.

    Returns:
        The out-of-fold scores.

    Raises:
        ValueError: If the test parts do not hold each clip once, or a loss is
            not finite.
    """
    fold_of = fold_of_clip(folds)
    parts: list[np.ndarray] = []
    history: list[HistoryRow] = []
    for number, (train, test) in enumerate(folds):
        found, fitted = _fold(
            trainer, str(number), train, test, on_epoch, kept, tensorboard
        )
        history += history_rows(str(number), fitted)
        parts.append(found)
    scores = np.concatenate(parts)
    scores[np.concatenate([test for _, test in folds])] = scores.copy()
    return OutOfFold(scores, fold_of, tuple(history))


def _fold(
    trainer: Trainer,
    name: str,
    train: np.ndarray,
    test: np.ndarray,
    on_epoch: OnEpoch,
    kept: Checkpoint | None,
    tensorboard: Path | None,
) -> tuple[np.ndarray, History]:
    """Returns test scores and history of one fold, kept or trained."""
    done = kept.fold(name) if kept else None
    if done is not None:
        for epoch in range(sum(trainer.epochs)):
            on_epoch(epoch, False)
        return done
    trainer.reset()
    slot = kept.slot(name) if kept else None
    try:
        history = trainer.fit(train, on_epoch, Fold(name, slot, tensorboard))
        scores = trainer.predict(test)
    except ValueError as error:
        raise ValueError(f"Fold {name}: {error}") from error
    if kept:
        kept.save_fold(name, scores, history)
    return scores, history


def history_rows(fold: str, history: History) -> list[HistoryRow]:
    """Returns the history of a fit as one row per epoch."""
    nothing = [None] * len(history["loss"])
    columns = zip(
        history.get("stage", ["head"] * len(nothing)),
        history["loss"],
        history["accuracy"],
        history.get("learning_rate", nothing),
        history.get("val_loss", nothing),
        strict=True,
    )
    return [
        HistoryRow(fold, stage, number, *figures)
        for number, (stage, *figures) in enumerate(columns, start=1)
    ]


def write_history(path: Path, history: Sequence[HistoryRow]) -> None:
    """Writes one row an epoch, CSV."""
    with open(path, "w", newline="", encoding="utf-8") as stream:
        names = [field.name for field in dataclasses.fields(HistoryRow)]
        writer = csv.DictWriter(stream, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(dataclasses.asdict(row) for row in history)  # None is empty
