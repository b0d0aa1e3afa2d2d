"""Who hears how far a training is. A library prints nothing; a command does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Listener(Protocol):
    """What training tells while it runs; `cry_tf.cli.console.Console` is one."""

    def line(self, text: str = "") -> None:
        """Hears a sentence."""
        ...

    def warn(self, text: str) -> None:
        """Hears something that should be looked at."""
        ...

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Hears figures."""
        ...

    def progress(
        self, title: str, total: int
    ) -> AbstractContextManager[Callable[..., None]]:
        """Gives a function to call after each of `total` steps.

        It may be given the seconds that are left, where the caller knows better
        than the mean of the steps so far.
        """
        ...


class Silence:
    """A listener that ignores everything."""

    def line(self, text: str = "") -> None:
        """Ignores it."""

    def warn(self, text: str) -> None:
        """Ignores it."""

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Ignores them."""

    def progress(
        self, title: str, total: int
    ) -> AbstractContextManager[Callable[..., None]]:
        """Gives a function that does nothing."""
        return nullcontext(lambda left_s=None: None)
