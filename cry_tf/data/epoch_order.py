"""Which clips each epoch shows, and in which order, from its number alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf

_SEEDS_OF_BATCHES = 1


class EpochOrder:
    """The order of the clips in every epoch, a function of seed and epoch.

    A training that continues at its seventh epoch sees what it would have seen,
    whatever was or was not iterated over before.

    Args:
        shown: Int array, what makes one round, in no order; something may be there
            more than once.
        seed: At least 0, draws the orders.
        batch_size: Of the batches, positive.
        clips: Where more is shown than there are clips (copies, or rare labels
            again), an epoch stays as long as they are, in whole batches, and the
            next one continues from there. None takes all that is shown.

    Attributes:
        epoch: Int, epoch of the next iteration; set it.
        count: How many places an epoch has.
        batches: How many batches an epoch has.
    """

    def __init__(
        self,
        shown: np.ndarray,
        seed: int,
        batch_size: int,
        clips: int | None = None,
    ):
        self._shown = np.asarray(shown, np.int64)
        self._seed, self._batch_size = seed, batch_size
        clips = len(self._shown) if clips is None else clips
        self.batches = math.ceil(clips / batch_size)
        is_round = clips == len(self._shown)
        self.count = clips if is_round else self.batches * batch_size
        self.epoch = 0

    def places(self, epoch: int | None = None) -> np.ndarray:
        """Returns what an epoch shows, int64 `(count,)`; None for the one set."""
        epoch = self.epoch if epoch is None else epoch
        size = len(self._shown)
        begin = epoch * self.count
        rounds = range(begin // size, (begin + self.count - 1) // size + 1)
        drawn = np.concatenate(
            [np.random.default_rng([self._seed, n]).permutation(size) for n in rounds]
        )
        start = begin - rounds[0] * size
        return self._shown[drawn[start : start + self.count]]

    def batch(self, number: int) -> np.ndarray:
        """Returns the places in a batch of the epoch that is set."""
        start = number * self._batch_size
        return self.places()[start : start + self._batch_size]

    def to_tf(self) -> tf.data.Dataset:
        """Returns the places as they are when an iteration begins.

        Returns:
            `count` elements of int64 (place, position in the epoch, epoch).
        """

        def now() -> np.ndarray:
            places = self.places()
            epochs = np.full(len(places), self.epoch)
            return np.stack([places, np.arange(len(places)), epochs], axis=1)

        rows: Any = _at_iteration(now, (None, 3), self.count)
        return rows.map(lambda row: (row[0], row[1], row[2]))

    def batch_seeds(self) -> np.ndarray:
        """Returns int64 `(batches, 2)`, drawn for the epoch that is set."""
        rng = np.random.default_rng([self._seed, self.epoch, _SEEDS_OF_BATCHES])
        return rng.integers(2**31, size=(self.batches, 2))

    def seeds(self) -> tf.data.Dataset:
        """Returns int64 `(2,)` for each batch of the epoch that is set."""
        return _at_iteration(self.batch_seeds, (None, 2), self.batches)


def _at_iteration(now: Any, shape: tuple[int | None, ...], count: int) -> Any:
    """Returns a dataset whose rows are asked for when an iteration begins."""
    import tensorflow as tf

    def rows(_):
        found = tf.numpy_function(now, [], tf.int64)
        return tf.data.Dataset.from_tensor_slices(tf.ensure_shape(found, shape))

    once: Any = tf.data.Dataset.range(1)
    return once.flat_map(rows).apply(tf.data.experimental.assert_cardinality(count))
