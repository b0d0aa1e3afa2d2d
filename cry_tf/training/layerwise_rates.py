"""Optimizers that move some variables less than others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from cry_tf.training.fused_adam import FusedAdam


class LayerwiseRates:
    """Mixed into a Keras optimizer: each variable has a share of the rate.

    Scaling a gradient would not do: Adam divides by the gradient's own size.

    Args:
        *args: Of the optimizer.
        factors: For each trainable variable, in the order of `build`, its share
            of the learning rate; None for 1 everywhere.
        **kwargs: Of the optimizer.
    """

    def __init__(
        self, *args: Any, factors: Sequence[float] | None = None, **kwargs: Any
    ):
        super().__init__(*args, **kwargs)
        self.factors = None if factors is None else tuple(factors)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one variable at its own rate."""
        if self.factors is not None:
            optimizer: Any = self
            factor = self.factors[optimizer._get_variable_index(variable)]
            learning_rate = learning_rate * factor
        base: Any = super()
        base.update_step(gradient, variable, learning_rate)


class Adam(LayerwiseRates, FusedAdam):
    """Adam with a share of the learning rate for each variable."""


class SGD(LayerwiseRates, keras.optimizers.SGD):
    """Gradient descent with a share of the learning rate for each variable."""
