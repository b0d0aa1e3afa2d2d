"""The clips of each epoch and their order, a function of the epoch's number."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf

_SEEDS_OF_BATCHES = 1


class EpochOrder:
    """The order of the clips in every epoch, a function of seed and epoch.

    So a run that is resumed at any epoch trains on the same batches as one that was
    never interrupted.

    Args:
        shown: Int array, the places of one pass over the data, unshuffled; a place
            may occur more than once.
        seed: At least 0, draws the orders.
        batch_size: Of the batches, positive.
        clips: Number of places per epoch, in whole batches, if `shown` is longer
            (copies of clips, or rare labels repeated); the next epoch continues
            where this one ended. None takes all of `shown`.

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
        """Returns the places of an epoch, int64 `(count,)`. Default: `self.epoch`."""
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
