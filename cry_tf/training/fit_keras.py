"""Compiles a Keras model for a recipe, and watches its epochs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras

from cry_tf.training import imbalance
from cry_tf.training.recipe import Recipe

Tell = Callable[[int], None]
History = dict[str, list[float]]


class State:
    """The variables of a model and its optimizer, as they were."""

    def __init__(self, model: keras.Model):
        optimizer: Any = model.optimizer
        optimizer.build(model.trainable_variables)
        variables = [*model.variables, *optimizer.variables]
        self._saved = [(variable, variable.numpy()) for variable in variables]

    def restore(self) -> None:
        """Puts them back."""
        for variable, value in self._saved:
            variable.assign(value)


def compile_once(model: Any, recipe: Recipe, jit_compile: bool) -> State:
    """Compiles a model as the recipe says, and remembers its first weights.

    Args:
        model: Gives scores `(batch, labels)`.
        recipe: How to train.
        jit_compile: Whether XLA compiles it.
    """
    model.compile(
        optimizer=keras.optimizers.Adam(recipe.learning_rate),
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


def fit_epochs(
    model: Any, batches: Any, recipe: Recipe, tell: Tell | None, steps: int | None
) -> History:
    """Trains a compiled model for the epochs of a recipe.

    Args:
        model: Compiled by `compile_once`.
        batches: A `tf.data.Dataset` of (inputs, truth, weights).
        recipe: How to train.
        tell: Called with the number of each epoch that is done, from 0.
        steps: Batches an epoch; None for all of them.

    Returns:
        Figures of each epoch.

    Raises:
        ValueError: If the loss does not stay finite.
    """
    watch = _Watch(recipe, tell)
    fitted: Any = model.fit(
        batches,
        epochs=recipe.epochs,
        steps_per_epoch=steps,
        shuffle=False,
        verbose=0,
        callbacks=[watch],
    )
    return fitted.history


class _Watch(keras.callbacks.Callback):
    """Stops at a loss that is no number, and tells of each epoch."""

    def __init__(self, recipe: Recipe, tell: Tell | None):
        super().__init__()
        self._recipe, self._tell = recipe, tell

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        loss = (logs or {}).get("loss", math.nan)
        if not math.isfinite(loss):
            raise ValueError(
                f"The loss must stay finite. It became {loss} in epoch {epoch + 1}, "
                f"with learning_rate={self._recipe.learning_rate:g}. Lower the "
                "learning rate, or look for a damaged clip or weights file."
            )
        if self._tell is not None:
            self._tell(epoch)
