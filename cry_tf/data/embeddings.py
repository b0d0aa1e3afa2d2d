"""The embeddings of a frozen backbone, clip by clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cry_tf.data.clip import Clip, Problem
from cry_tf.data.dataset import Dataset


@dataclass(frozen=True)
class Embeddings:
    """The embeddings of the clips of a dataset, of the real time steps only.

    Attributes:
        values: One float32 `(time, features)` for each clip, time at least 1.
        dataset: The clips that have embeddings, in the same order. Split this
            one: places in it are places in `values`.
        problems: The clips that could not be decoded, and why.
        notes: Sentences for the user, such as how many came from the cache.
        copies: For each clip the embeddings of its augmented copies, `(time,
            features)` each; empty where none were asked for. They are for
            training only: a clip in a test fold takes its copies with it.
    """

    values: tuple[np.ndarray, ...]
    dataset: Dataset
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    copies: tuple[tuple[np.ndarray, ...], ...] = ()

    def __len__(self) -> int:
        """Returns the number of clips with embeddings."""
        return len(self.values)

    @property
    def clips(self) -> tuple[Clip, ...]:
        """The clips that have embeddings."""
        return self.dataset.clips

    @property
    def features(self) -> int:
        """Length of one embedding."""
        return self.values[0].shape[1]
