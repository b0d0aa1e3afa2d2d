"""Trains a small model a whole epoch at a time, in one call of one graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cry_tf.data.epoch_order import EpochOrder
from cry_tf.training.stage import Stage

# From places int64 (batch,), seed int64 (2,) and the weights of all clips to inputs,
# truth and weights of a batch.
Gather = Callable[[Any, Any, Any], tuple[Any, Any, Any]]


class WholeEpochs:
    """Lets `fit` of a compiled model run one graph an epoch.

    A step of a head takes less than what Keras and `tf.data` do around it. Here the
    batches of an epoch are gathered and trained on within a loop of the graph, which
    is traced once and serves every fold. The steps are those of Keras, in the same
    order.

    Args:
        model: Compiled, without XLA; its `fit` takes `batches` from here on.
        gather: Makes a batch.
        batch_size: Of the batches.
        specs: Shapes and types of what `gather` gives, as `KerasTensor`s.

    Attributes:
        batches: What `fit` is given, with `steps_per_epoch=1`.
    """

    def __init__(
        self,
        model: keras.Model,
        gather: Gather,
        batch_size: int,
        specs: Sequence[Any],
    ):
        self._model, self._gather, self._batch_size = model, gather, batch_size
        self._step = model.train_step
        self._done: Any = tf.Variable(tf.constant(0), trainable=False)
        self._now: Any = None
        self.batches = tf.data.Dataset.from_tensors(0).repeat()
        untyped: Any = model
        untyped._symbolic_build(data_batch=tuple(specs))
        untyped._maybe_symbolic_build = lambda **_: None  # `batches` has no inputs
        untyped.train_step = self._epoch

    def begin(self, order: EpochOrder, stage: Stage, weights: np.ndarray) -> None:
        """Says what is trained on from now on.

        Args:
            order: What each epoch shows; its `epoch` is read when an epoch begins.
            stage: Gives the learning rate of each batch.
            weights: Float32 `(clips,)`.
        """

        def now() -> tuple[np.ndarray, ...]:
            numbers = np.arange(order.batches) + 0.5
            rates = [stage.rate_at(order.epoch + n / order.batches) for n in numbers]
            return (
                order.places(),
                order.batch_seeds(),
                np.asarray(rates, np.float32),
                weights,
            )

        self._now = now

    def done(self) -> int:
        """Returns how many batches of the epoch were trained on.

        Fewer than it has if the loss became NaN or infinite in the last one.
        """
        return int(self._done.numpy())

    def _epoch(self, _: Any) -> dict[str, Any]:
        dtypes = [tf.int64, tf.int64, tf.float32, tf.float32]
        found = tf.numpy_function(lambda: self._now(), [], dtypes)
        ranks = [[None], [None, 2], [None], [None]]
        places, seeds, rates, weights = map(tf.ensure_shape, found, ranks)
        optimizer: Any = self._model.optimizer

        def step(number, _):
            optimizer.learning_rate.assign(rates[number])
            start = number * self._batch_size
            shown = places[start : start + self._batch_size]
            figures = self._step(self._gather(shown, seeds[number], weights))
            return number + 1, tf.math.is_finite(figures["loss"])

        count = tf.size(rates)
        done, _ = tf.while_loop(
            lambda number, is_finite: (number < count) & is_finite,
            step,
            (tf.constant(0), tf.constant(True)),
        )
        self._done.assign(done)
        return self._model.get_metrics_result()
