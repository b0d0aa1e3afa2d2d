"""What a command says: results on stdout, progress and warnings on stderr."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from cry_lite.streams import is_watched

Advance = Callable[..., None]
# Nobody needs to be told how long a few seconds take.
_WORTH_TELLING_S = 10.0
ByteProgress = Callable[[int, int | None], None]


def in_words(seconds: float) -> str:
    """Returns a duration as a person would say it."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


class Console:
    """Prints for a person, or for a machine that asked for `--json`.

    Args:
        is_json: True keeps stdout for one JSON object: lines and tables meant
            for a person go to stderr.
    """

    def __init__(self, is_json: bool = False):
        self.is_json = is_json

    def line(self, text: str = "") -> None:
        """Prints a line for a person."""
        print(text, file=sys.stderr if self.is_json else sys.stdout, flush=True)

    def warn(self, text: str) -> None:
        """Prints a warning on stderr."""
        print(f"warning: {text}", file=sys.stderr, flush=True)

    def json(self, values: Any) -> None:
        """Prints the answer of a command that was asked for `--json`."""
        print(json.dumps(values, indent=2, allow_nan=False), flush=True)

    def table(
        self,
        header: Sequence[str],
        rows: Sequence[Sequence[str]],
        text_columns: int = 1,
    ) -> None:
        """Prints a table: the first columns to the left, the others to the right."""
        # rich's Table folds cells at the width of the terminal, or at 80 columns in
        # a pipe. Its cell_len counts the letters that take two columns.
        from rich.cells import cell_len

        widths = [
            max(cell_len(row[i]) for row in (header, *rows)) for i in range(len(header))
        ]
        for row in (header, ["-" * width for width in widths], *rows):
            cells = []
            for column, (cell, width) in enumerate(zip(row, widths, strict=True)):
                space = " " * (width - cell_len(cell))
                cells.append(cell + space if column < text_columns else space + cell)
            self.line("  " + "  ".join(cells).rstrip())

    @contextlib.contextmanager
    def bar(self, title: str, total: int) -> Iterator[Advance]:
        """Shows how far a long piece of work is.

        A bar where a person watches stderr; a line at its start, at the first
        forecast, at each tenth and at its end where the output is piped.

        Args:
            title: What is being done.
            total: Number of steps.

        Yields:
            A function to call after each step. It may be given the seconds that
            are left, at most; otherwise the mean of the steps so far tells them.
        """
        began, done = time.monotonic(), 0

        def left(left_s: float | None) -> str:
            nonlocal done
            done += 1
            spent_s = time.monotonic() - began
            if left_s is None:
                left_s = spent_s / done * (total - done)
            is_worth_it = done < total and spent_s + left_s > _WORTH_TELLING_S
            return f"about {in_words(left_s)} left" if is_worth_it else ""

        if is_watched(sys.stderr):
            from rich import progress as bars
            from rich.console import Console as RichConsole

            columns = (
                bars.TextColumn("{task.description}"),
                bars.BarColumn(),
                bars.MofNCompleteColumn(),
                bars.TextColumn("{task.fields[left]}"),
            )
            with bars.Progress(*columns, console=RichConsole(stderr=True)) as bar:
                task = bar.add_task(title, total=total, left="")
                yield lambda left_s=None: bar.update(task, advance=1, left=left(left_s))
            return

        has_forecast = False

        def advance(left_s: float | None = None) -> None:
            nonlocal has_forecast
            words = left(left_s)
            is_news = bool(words) and left_s is not None and not has_forecast
            has_forecast = has_forecast or is_news
            if is_news or done * 10 // total > (done - 1) * 10 // total:
                text = f"{title}: {done}/{total}" + (f", {words}" if words else "")
                print(text, file=sys.stderr, flush=True)

        print(f"{title}: 0/{total}", file=sys.stderr, flush=True)
        yield advance

    @contextlib.contextmanager
    def byte_progress(self, title: str) -> Iterator[ByteProgress]:
        """Shows how far a download is.

        A bar where a person watches stderr; a line at its start and at each tenth,
        or each 10 MB if the length is not known, where the output is piped.
        Nothing where nothing is downloaded.

        Args:
            title: What is being fetched.

        Yields:
            A function of (bytes that are there, bytes in all or None).
        """
        if is_watched(sys.stderr):
            from rich import progress as bars
            from rich.console import Console as RichConsole

            columns = (
                bars.TextColumn("{task.description}"),
                bars.BarColumn(),
                bars.DownloadColumn(),
                bars.TransferSpeedColumn(),
                bars.TimeRemainingColumn(),
            )
            with bars.Progress(*columns, console=RichConsole(stderr=True)) as bar:
                task = bar.add_task(title, total=None, visible=False)
                yield lambda done, total: bar.update(
                    task, completed=done, total=total, visible=True
                )
            return
        told = -1

        def tell(done: int, total: int | None) -> None:
            nonlocal told
            step = done * 10 // total if total else done // 10_000_000
            if step != told:
                told = step
                whole = f" of {total / 1e6:.1f}" if total else ""
                print(
                    f"{title}: {done / 1e6:.1f}{whole} MB", file=sys.stderr, flush=True
                )

        yield tell


@contextlib.contextmanager
def _held_stderr() -> Iterator[None]:
    """Holds back what is written to file descriptor 2; shows it after a failure."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(kept, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def import_tensorflow_quietly() -> None:
    """Imports TensorFlow and Keras without their start-up chatter.

    TF_CPP_MIN_LOG_LEVEL is not enough: TensorFlow 2.21 logs its CPU and GPU
    findings before it reads it. Set TF_CPP_MIN_LOG_LEVEL=0 to see everything.
    """
    level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if level == "0":
        return
    warnings.filterwarnings("ignore", module="keras")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with _held_stderr():
        import absl.logging
        import keras  # noqa: F401
        import tensorflow  # noqa: F401

        absl.logging.set_verbosity(absl.logging.ERROR)
