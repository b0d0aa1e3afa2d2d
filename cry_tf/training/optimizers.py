"""Adam in one pass over memory, with a share of the rate for each variable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from cry_hub import keras_internals


class Adam(keras.optimizers.Adam):
    """`keras.optimizers.Adam`, with TensorFlow's own kernel for the step.

    The formula is the same, and so is the outcome but for the last digit. Keras
    computes it in a dozen passes over memory: of a network of 67 million weights a
    step takes 0.20 s there and 0.06 s here, on 2 cores.

    Args:
        *args: Arguments of `keras.optimizers.Adam`.
        factors: For each trainable variable, in the order of `build`, its share
            of the learning rate; None for 1 everywhere. Scaling a gradient would
            not do: Adam divides by the gradient's own size.
        **kwargs: Keyword arguments of `keras.optimizers.Adam`.
    """

    def __init__(
        self, *args: Any, factors: Sequence[float] | None = None, **kwargs: Any
    ):
        super().__init__(*args, **kwargs)
        self.factors = None if factors is None else tuple(factors)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one variable and its two moments, at its own rate."""
        optimizer: Any = self
        if self.factors is not None:
            place = keras_internals.variable_index(optimizer, variable)
            learning_rate = learning_rate * self.factors[place]
        if self.amsgrad or variable.dtype != tf.float32:
            super().update_step(gradient, variable, learning_rate)
            return
        first, second = keras_internals.adam_moments(optimizer, variable)
        steps = tf.cast(optimizer.iterations + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=first.value.handle,
            v=second.value.handle,
            beta1_power=tf.pow(self.beta_1, steps),
            beta2_power=tf.pow(self.beta_2, steps),
            lr=tf.cast(learning_rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.convert_to_tensor(gradient),
        )
