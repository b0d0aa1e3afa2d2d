"""The private names of Keras that are used here, all in one module.

Keras may change them in any release, so `pyproject.toml` allows none above the last
that was checked. `tests/cry_hub/test_keras_internals.py` fails with one that changed
them, and names the version and what to do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# These have the private names; the whole test suite passed with the last.
CHECKED_WITH = ("3.12.0", "3.13.2", "3.14.1", "3.15.1")


def replace_train_step(model: Any, step: Callable[..., Any]) -> None:
    """Lets `fit` take another step than the model's own.

    Also keeps `fit` from building the model from its first batch: see `build_for`.

    Args:
        model: Compiled, and built by `build_for` before `fit`.
        step: As `keras.Model.train_step`.
    """
    model.train_step = step
    model._maybe_symbolic_build = lambda **_: None


def build_for(model: Any, batch: Any) -> None:
    """Builds model, metrics and optimizer without a batch of data.

    Args:
        model: Compiled.
        batch: `KerasTensor`s of the shapes and types of a batch.
    """
    model._symbolic_build(data_batch=batch)


def variable_index(optimizer: Any, variable: Any) -> int:
    """Returns the place of a trainable variable among those of an optimizer."""
    return optimizer._get_variable_index(variable)


def adam_moments(optimizer: Any, variable: Any) -> tuple[Any, Any]:
    """Returns the two variables in which Adam keeps the moments of a variable."""
    place = variable_index(optimizer, variable)
    return optimizer._momentums[place], optimizer._velocities[place]
