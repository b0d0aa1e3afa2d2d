"""Estimates how long a training will still take from the epochs so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence


class Forecast:
    """Forecasts from the mean time of an epoch of each stage.

    Stages are timed separately, as an epoch on cached embeddings is a hundred times as
    fast as one from the waveform. The estimate is an upper bound where a stage may
    stop early. The first epoch of a stage compiles the graph, so its time is not
    used: there is no estimate before every stage has had two epochs, or all it has.

    Args:
        epochs: Epochs of each stage of a fit, at most.
        fits: How many fits there are: one a fold, and the final one.
        clock: Gives seconds.
    """

    def __init__(
        self,
        epochs: Sequence[int],
        fits: int,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._stages = [n for n, count in enumerate(epochs) for _ in range(count)]
        self._left = [count * fits for count in epochs]
        self._spent = [0.0] * len(epochs)
        self._seen = [0] * len(epochs)
        self._has_compiled = [False] * len(epochs)
        self._clock = clock
        self._since = clock()

    def update(self, epoch: int, was_trained: bool) -> float | None:
        """Counts an epoch that is done.

        Args:
            epoch: Its number in the fit, from 0, over all stages.
            was_trained: False for one that was kept from before, or left out.

        Returns:
            Seconds left, or None where that cannot be said yet.
        """
        stage, now = self._stages[epoch], self._clock()
        self._left[stage] -= 1
        if was_trained and not self._has_compiled[stage]:
            self._has_compiled[stage] = True
        elif was_trained:
            self._spent[stage] += now - self._since
            self._seen[stage] += 1
        self._since = now
        seconds = 0.0
        for left, spent, seen in zip(self._left, self._spent, self._seen, strict=True):
            if left and not seen:
                return None
            seconds += left * spent / max(seen, 1)
        return seconds
