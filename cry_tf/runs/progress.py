"""Where lines, warnings and progress bars go. A library prints nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Progress(Protocol):
    """Takes what a run reports; `cry_tf.cli.console.Console` prints it."""

    def line(self, text: str = "") -> None:
        """Takes a sentence."""
        ...

    def warn(self, text: str) -> None:
        """Takes a warning."""
        ...

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Takes a table."""
        ...

    def bar(
        self, title: str, total: int
    ) -> AbstractContextManager[Callable[..., None]]:
        """Gives a function to call after each of `total` steps.

        Its argument is the number of seconds left, if the caller has a better
        estimate than the mean of the steps so far.
        """
        ...


class NoProgress:
    """Ignores everything."""

    def line(self, text: str = "") -> None:
        """Ignores it."""

    def warn(self, text: str) -> None:
        """Ignores it."""

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Ignores them."""

    def bar(
        self, title: str, total: int
    ) -> AbstractContextManager[Callable[..., None]]:
        """Gives a function that does nothing."""
        return nullcontext(lambda left_s=None: None)


def counted(advance: Callable[[], None]) -> Callable[[int, int], None]:
    """Returns what takes (steps done, steps in all), and advances by the new ones."""
    shown = 0

    def tell(done: int, total: int) -> None:
        nonlocal shown
        for _ in range(done - shown):
            advance()
        shown = done

    return tell
