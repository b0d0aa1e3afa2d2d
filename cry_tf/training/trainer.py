"""Trains one Keras model by gradient, epoch by epoch, resumably.

A trainer trains one model again and again: once a fold, then once on everything.
It keeps one compiled graph a stage and puts the first weights back before each fold,
so that nothing is traced twice and no fold knows another.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np

from cry_hub.backbone import Backbone
from cry_hub.fast_training.prepare import prepare_training
from cry_tf.data.epoch_order import EpochOrder
from cry_tf.models.spectrogram_hiding import spec_augment_of
from cry_tf.runs import memory
from cry_tf.runs.checkpoint import FoldCheckpoint
from cry_tf.training import imbalance
from cry_tf.training.optimizers import Adam
from cry_tf.training.recipe import Recipe, Stage

# Called after each epoch with its number, from 0 over all stages, and whether it was
# trained now: False for an epoch from a checkpoint, or skipped by early stopping.
OnEpoch = Callable[[int, bool], None]
History = dict[str, list]


class State:
    """A snapshot of the variables of a model and its optimizer."""

    def __init__(self, model: keras.Model):
        optimizer: Any = model.optimizer
        optimizer.build(model.trainable_variables)
        self._variables = [*model.variables, *optimizer.variables]
        for layer in model.layers:  # SpecAugment is not part of the model
            hiding = spec_augment_of(layer) if isinstance(layer, Backbone) else None
            self._variables += [] if hiding is None else hiding.variables
        self._first = self.values()

    def __len__(self) -> int:
        """Returns the number of variables."""
        return len(self._variables)

    def values(self) -> list[np.ndarray]:
        """Returns them as they are now."""
        return [variable.numpy() for variable in self._variables]

    def restore(self, values: Sequence[np.ndarray] | None = None) -> None:
        """Puts back the first values, or these."""
        for variable, value in zip(
            self._variables, self._first if values is None else values, strict=True
        ):
            variable.assign(value)


def compile_once(
    model: Any,
    recipe: Recipe,
    jit_compile: bool = False,
    factors: Sequence[float] | None = None,
    accumulated: int = 1,
) -> State:
    """Compiles a model with the recipe's settings, and keeps its first weights.

    Args:
        model: Gives scores `(batch, labels)`.
        recipe: How to train.
        jit_compile: Whether XLA compiles it.
        factors: Share of the learning rate of each trainable variable.
        accumulated: Batches whose gradients make one step.
    """
    prepare_training(model, jit_compile=jit_compile)
    model.compile(
        optimizer=Adam(
            recipe.learning_rate,
            beta_1=recipe.beta_1,
            beta_2=recipe.beta_2,
            gradient_accumulation_steps=accumulated if accumulated > 1 else None,
            factors=factors,
        ),
        loss=imbalance.make_loss(
            recipe.imbalance,
            model.output_shape[-1],
            recipe.focal_gamma,
            has_shares=recipe.mixup > 0,
        ),
        metrics=["accuracy"],
        jit_compile=jit_compile,
    )
    return State(model)


@dataclass
class StageFit:
    """One stage of one fit, ready to run.

    Attributes:
        model: Compiled by `compile_once`.
        state: Its variables.
        stage: What to do.
        order: What each epoch shows.
        batches: A `tf.data.Dataset` of (inputs, truth, weights), in that order; with
            `done`, of epochs.
        names: From places in `order` to names of clips, for errors.
        advice: What to do when the memory is full.
        validate: Gives the validation loss, or None if nothing is held out.
        done: Returns the number of batches trained in the epoch, where `batches`
            gives whole epochs; None where it gives single batches.
    """

    model: Any
    state: State
    stage: Stage
    order: EpochOrder
    batches: Any
    names: Callable[[np.ndarray], list[str]]
    advice: str
    validate: Callable[[], float] | None = None
    done: Callable[[], int] | None = None


@dataclass
class FitProgress:
    """How far a fit is; saved after each epoch.

    Attributes:
        stage: Number of the stage.
        epoch: Epochs done of it.
        best_loss: The lowest validation loss of the stage.
        best_epoch: Epochs done when it came.
        history: One entry an epoch of all stages.
    """

    stage: int = 0
    epoch: int = 0
    best_loss: float = math.inf
    best_epoch: int = 0
    history: History = field(default_factory=dict)

    def is_over(self, stage: Stage) -> bool:
        """Whether the stage has all its epochs, or its patience is used up."""
        waited = self.epoch - self.best_epoch
        return self.epoch >= stage.epochs or 0 < stage.patience <= waited


@dataclass(frozen=True)
class Fold:
    """Name, checkpoint and logs of one fit.

    Attributes:
        name: Number of the fold, or `all`.
        slot: Where its state is kept after each epoch, or None.
        tensorboard: Folder of logs, or None.
    """

    name: str = ""
    slot: FoldCheckpoint | None = None
    tensorboard: Path | None = None


_NAMED_FILES = 8


def fit_stages(
    make_fits: Sequence[Callable[[], StageFit]],
    stages: Sequence[Stage],
    on_epoch: OnEpoch | None = None,
    fold: Fold | None = None,
) -> History:
    """Runs the stages of a fit in order, continuing from a checkpoint if there is one.

    Args:
        make_fits: Makes the `StageFit` of each stage when its turn comes.
        stages: The stages.
        on_epoch: Called after each epoch.
        fold: Name, checkpoint and logs of the fit.

    Returns:
        Figures of each epoch.

    Raises:
        ValueError: If the loss does not stay finite, or the memory is too small.
    """
    fold, on_epoch = fold or Fold(), on_epoch or (lambda epoch, was_trained: None)
    kept = fold.slot.load() if fold.slot else None
    progress = FitProgress(**kept[0]["progress"]) if kept else FitProgress()
    before = 0
    for number, stage in enumerate(stages):
        if number < progress.stage:
            _count_untrained(on_epoch, range(before, before + stage.epochs))
            before += stage.epochs
            continue
        if number > progress.stage:
            progress = FitProgress(number, history=progress.history)
        stage_fit, best = make_fits[number](), []
        if kept:
            best = _restore(stage_fit.state, kept[1])
            _count_untrained(on_epoch, range(before, before + progress.epoch))
            kept = None
        if not progress.is_over(stage):
            best = _fit(stage_fit, progress, best, on_epoch, before, fold)
        if best:
            stage_fit.state.restore(best)
        _count_untrained(
            on_epoch, range(before + progress.epoch, before + stage.epochs)
        )
        before += stage.epochs
    return progress.history


def _count_untrained(on_epoch: OnEpoch, epochs: range) -> None:
    """Reports epochs that are not trained now, so that progress bars stay right."""
    """Reports epochs that are not trained now, so that progress bars stay right."""
    for epoch in epochs:
        on_epoch(epoch, False)


def _restore(state: State, arrays: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Puts back the kept variables, and returns the best ones so far."""
    now = [arrays[f"now{n}"] for n in range(len(state))]
    state.restore(now)
    return [arrays[f"best{n}"] for n in range(len(now)) if f"best{n}" in arrays]


def _fit(
    stage_fit: StageFit,
    progress: FitProgress,
    best: list[np.ndarray],
    on_epoch: OnEpoch,
    before: int,
    fold: Fold,
) -> list[np.ndarray]:
    """Trains a stage to its end, and returns its best variables, if any are."""
    watch = _Watch(
        stage_fit, progress, best, fold, lambda n: on_epoch(before + n, True)
    )
    callbacks: list[Any] = [watch]
    if fold.tensorboard is not None:
        place = fold.tensorboard / f"fold-{fold.name}" / stage_fit.stage.trains
        callbacks.append(keras.callbacks.TensorBoard(str(place), write_graph=False))
    with memory.explained(
        f"the stage {stage_fit.stage.trains} was trained", stage_fit.advice
    ):
        stage_fit.model.fit(
            stage_fit.batches,
            initial_epoch=progress.epoch,
            epochs=stage_fit.stage.epochs,
            steps_per_epoch=None if stage_fit.done is None else 1,
            shuffle=False,
            verbose=0,
            callbacks=callbacks,
        )
    return watch.best


class _Watch(keras.callbacks.Callback):
    """Sets the learning rate, checks the loss, saves the state and reports epochs."""

    # One callback of ours, as Keras's do not go on where they stopped: EarlyStopping
    # forgets the best weights and the wait when `fit` begins, BackupAndRestore keeps
    # neither, and LearningRateScheduler sets a rate an epoch, not a batch.

    def __init__(
        self,
        stage_fit: StageFit,
        progress: FitProgress,
        best: list[np.ndarray],
        fold: Fold,
        on_epoch: Callable[[int], None],
    ):
        super().__init__()
        self._stage_fit, self._progress, self._fold = stage_fit, progress, fold
        self._on_epoch, self.best, self.epoch = on_epoch, best, progress.epoch
        self._batch, self._rate = 0, 0.0

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.epoch = self._stage_fit.order.epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        if self._stage_fit.done is not None:  # `WholeEpochs` sets the rates
            batch = self._stage_fit.order.batches - 1
        # At the middle of a step, so that neither the first nor the last has rate 0.
        done = self.epoch + (batch + 0.5) / self._stage_fit.order.batches
        rate = self._stage_fit.stage.rate_at(done)
        if rate != self._rate:
            self._stage_fit.model.optimizer.learning_rate = rate
            self._rate = rate

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        loss = float((logs or {}).get("loss", math.nan))  # the mean of the epoch
        if math.isfinite(loss):
            return
        stage_fit = self._stage_fit
        if stage_fit.done is not None:
            batch = stage_fit.done() - 1
        files = stage_fit.names(stage_fit.order.batch(batch))
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
        stage_fit, progress = self._stage_fit, self._progress
        progress.epoch = epoch + 1
        val_loss = None
        if stage_fit.validate is not None:
            val_loss = logs["val_loss"] = stage_fit.validate()
            # Without patience the best epoch is not used.
            if stage_fit.stage.patience and val_loss < progress.best_loss:
                progress.best_loss, progress.best_epoch = val_loss, epoch + 1
                self.best = stage_fit.state.values()
        row = {
            "stage": stage_fit.stage.trains,
            "loss": float(logs["loss"]),
            "accuracy": float(logs["accuracy"]),
            "learning_rate": self._rate,
            "val_loss": val_loss,
        }
        for name, value in row.items():
            progress.history.setdefault(name, []).append(value)
        self._keep()
        if progress.is_over(stage_fit.stage):
            stage_fit.model.stop_training = True
        self._on_epoch(epoch)

    def _keep(self) -> None:
        if self._fold.slot is None:
            return
        arrays = {f"now{n}": v for n, v in enumerate(self._stage_fit.state.values())}
        arrays |= {f"best{n}": value for n, value in enumerate(self.best)}
        facts = {"progress": vars(self._progress)}
        self._fold.slot.save(facts, arrays)


SCORING_BATCH = 64
# From places of training clips to the places to train on and those to validate on.
HoldOut = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


class Trainer(Protocol):
    """The interface of trainers that cross-validation uses.

    Attributes:
        epochs: How often `fit` calls `on_epoch`, by stage.
    """

    epochs: Sequence[int]

    def reset(self) -> None:
        """Puts back the weights, optimizer and random state of the beginning."""
        ...

    def fit(
        self,
        indices: np.ndarray,
        on_epoch: OnEpoch | None = None,
        fold: Fold | None = None,
    ) -> History:
        """Trains on the clips at these places; calls `on_epoch` after each epoch."""
        ...

    def predict(self, indices: np.ndarray) -> np.ndarray:
        """Returns the scores `(clips, labels)` of the clips at these places."""
        ...


class KerasTrainer(abc.ABC):
    """One stage of training a Keras model by gradient; see `Trainer`."""

    def __init__(self, recipe: Recipe, stage: Stage | None, hold_out: HoldOut | None):
        self._recipe, self._hold_out = recipe, hold_out
        self.stage = recipe.stages[-1] if stage is None else stage
        self.epochs: Sequence[int] = (self.stage.epochs,)
        self._state: Any = None

    def reset(self) -> None:
        """Puts back the weights, optimizer and random state of the beginning."""
        self._state.restore()

    def fit(
        self,
        indices: np.ndarray,
        on_epoch: OnEpoch | None = None,
        fold: Fold | None = None,
    ) -> History:
        """Trains the stage; see `Trainer`."""
        return fit_stages(
            [lambda: self.stage_fit(indices)], [self.stage], on_epoch, fold
        )

    def stage_fit(self, indices: np.ndarray) -> StageFit:
        """Returns the stage, ready to run on the clips at these places."""
        if self._hold_out is None:
            return self._stage_fit(indices)
        train, held = self._hold_out(indices)
        stage_fit = self._stage_fit(train)
        truth = self._truth_at(train)
        weigh = self._recipe.imbalance != "none"
        stage_fit.validate = lambda: validation_loss(
            self.predict(held), self._truth_at(held), truth if weigh else None
        )
        return stage_fit

    @abc.abstractmethod
    def predict(self, indices: np.ndarray) -> np.ndarray:
        """Scores whole clips; see `Trainer`."""

    @abc.abstractmethod
    def _stage_fit(self, indices: np.ndarray) -> StageFit:
        """Returns the stage on the clips at these places, all of them trained on."""

    @abc.abstractmethod
    def _truth_at(self, indices: np.ndarray) -> np.ndarray:
        """Returns the labels of the clips at these places, int `(clips,)`."""


def validation_loss(
    scores: np.ndarray, truth: np.ndarray, trained_truth: np.ndarray | None
) -> float:
    """Returns the mean cross-entropy of scores.

    Args:
        scores: Float `(clips, labels)`, shares.
        truth: Int `(clips,)`.
        trained_truth: Labels of the training clips, by whose inverse shares a clip
            weighs; None lets every clip count the same.
    """
    weights = np.ones(scores.shape[1])
    if trained_truth is not None:
        counts = np.bincount(trained_truth, minlength=scores.shape[1])
        weights = len(trained_truth) / np.maximum(counts, 1)
    losses = -np.log(np.maximum(scores[np.arange(len(truth)), truth], 1e-7))
    return float(np.average(losses, weights=weights[truth]))
