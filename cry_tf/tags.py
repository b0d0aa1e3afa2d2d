"""Tags of a recording: the score of every class, and events of some."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Tag:
    """A class, and how much of it is in a recording.

    Attributes:
        label: Name of the class.
        mean: Mean score of the windows, 0 to 1.
        highest: Highest score of a window, 0 to 1.
        highest_at_s: Where the first window with that score begins, seconds.
    """

    label: str
    mean: float
    highest: float
    highest_at_s: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Tags:
    """Tags that a network gives a recording.

    Attributes:
        duration_s: Length of the recording, seconds.
        tags: Every class of the network, the one with the highest mean first.
        windows: Float64 `(windows, 2)`: start and end of each window, seconds.
        followed: Names of the classes that `scores` has.
        scores: Float32 `(windows, followed)`, 0 to 1.
    """

    duration_s: float
    tags: tuple[Tag, ...]
    windows: np.ndarray
    followed: tuple[str, ...]
    scores: np.ndarray

    def top(self, count: int) -> tuple[Tag, ...]:
        """Returns the classes with the highest means, then those followed."""
        first = self.tags[:count]
        followed = (tag for tag in self.tags[count:] if tag.label in self.followed)
        return (*first, *followed)
