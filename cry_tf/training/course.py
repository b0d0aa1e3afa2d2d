"""What one stage of one fit is made of, and how far it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from cry_hub.backbone import Backbone
from cry_hub.prepare_training import prepare_training
from cry_tf.data.epoch_order import EpochOrder
from cry_tf.models.spectrogram_hiding import spec_augment_of
from cry_tf.training import imbalance
from cry_tf.training.kept_run import Slot
from cry_tf.training.layerwise_rates import Adam
from cry_tf.training.recipe import Recipe
from cry_tf.training.stage import Stage

# Called with the number of an epoch, from 0 over all stages, and whether it was
# trained just now; it was not if it was kept from before, or left out.
Tell = Callable[[int, bool], None]
History = dict[str, list]


class State:
    """The variables of a model and its optimizer, as they were."""

    def __init__(self, model: keras.Model):
        optimizer: Any = model.optimizer
        optimizer.build(model.trainable_variables)
        self._variables = [*model.variables, *optimizer.variables]
        for layer in model.layers:  # what hides parts of a spectrogram is in no model
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
    """Compiles a model as the recipe says, and remembers its first weights.

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
class Course:
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
        done: Tells how many batches an epoch had so far, where `batches` gives
            whole epochs; None where it gives one batch after the other.
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
class Progress:
    """How far a fit is; all of it is kept after each epoch.

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
        """Whether the stage has had all its epochs, or waited long enough."""
        waited = self.epoch - self.best_epoch
        return self.epoch >= stage.epochs or 0 < stage.patience <= waited


@dataclass(frozen=True)
class Fold:
    """What surrounds one fit.

    Attributes:
        name: Number of the fold, or `all`.
        slot: Where its state is kept after each epoch, or None.
        tensorboard: Folder of logs, or None.
    """

    name: str = ""
    slot: Slot | None = None
    tensorboard: Path | None = None
