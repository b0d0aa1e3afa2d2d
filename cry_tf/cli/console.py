"""Console output: results on stdout, progress and warnings on stderr."""

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
# Shorter waits get no forecast.
_SHORTEST_FORECAST_S = 10.0
ByteProgress = Callable[[int, int | None], None]


def in_words(seconds: float) -> str:
    """Returns a rounded duration: `45 s`, `6 min`, `2.5 h`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


class Console:
    """Prints lines, tables, progress and JSON.

    Args:
        is_json: Bool. True keeps stdout for one JSON object and sends lines and
            tables to stderr. Default: False.
    """

    def __init__(self, is_json: bool = False):
        self.is_json = is_json

    def line(self, text: str = "") -> None:
        """Prints a line of text."""
        print(text, file=sys.stderr if self.is_json else sys.stdout, flush=True)

    def warn(self, text: str) -> None:
        """Prints a warning on stderr."""
        print(f"warning: {text}", file=sys.stderr, flush=True)

    def json(self, values: Any) -> None:
        """Prints the result of a command with `--json`."""
        print(json.dumps(values, indent=2, allow_nan=False), flush=True)

    def table(
        self,
        header: Sequence[str],
        rows: Sequence[Sequence[str]],
        text_columns: int = 1,
    ) -> None:
        """Prints a table: the first `text_columns` left-aligned, the others right."""
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
        """Shows the progress of a long task.

        On a terminal, a bar; in a pipe, a line at the start, at the first forecast,
        at each tenth and at the end.

        Args:
            title: Name of the task.
            total: Int > 0, number of steps.

        Yields:
            A function to call after each step. Its optional argument is the time
            left, seconds, at most. Default: estimated from the steps so far.
        """
        began, done = time.monotonic(), 0

        def left(left_s: float | None) -> str:
            nonlocal done
            done += 1
            spent_s = time.monotonic() - began
            if left_s is None:
                left_s = spent_s / done * (total - done)
            is_long = done < total and spent_s + left_s > _SHORTEST_FORECAST_S
            return f"about {in_words(left_s)} left" if is_long else ""

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
        """Shows the progress of a download.

        On a terminal, a bar; in a pipe, a line at the start and at each tenth, or at
        each 10 MB if the length is unknown. Without a download it prints nothing.

        Args:
            title: Name of the file.

        Yields:
            A function of (bytes received, total bytes or None).
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
        printed = -1

        def report(done: int, total: int | None) -> None:
            nonlocal printed
            step = done * 10 // total if total else done // 10_000_000
            if step != printed:
                printed = step
                whole = f" of {total / 1e6:.1f}" if total else ""
                print(
                    f"{title}: {done / 1e6:.1f}{whole} MB", file=sys.stderr, flush=True
                )

        yield report


@contextlib.contextmanager
def naming_progress(console: Console, output: str, is_resumed: bool) -> Iterator[None]:
    """Says where the progress of a run is saved, if it ends before it is written.

    Args:
        console: Takes the warning.
        output: Run folder.
        is_resumed: Whether the run continues an interrupted one.
    """
    from cry_tf.runs.checkpoint import Checkpoint

    kept = Checkpoint.of(output)
    had_progress = kept.has_progress
    try:
        yield
    except BaseException:
        if kept.has_progress and (is_resumed or not had_progress):
            console.warn(
                f"Progress is saved in {kept.folder}. Continue with the same command "
                "and --resume."
            )
        raise


@contextlib.contextmanager
def _held_stderr() -> Iterator[None]:
    """Buffers what is written to file descriptor 2; shows it after a failure."""
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
    """Imports TensorFlow and Keras without their start-up messages.

    TF_CPP_MIN_LOG_LEVEL is not enough: TensorFlow 2.21 logs its CPU and GPU
    findings before it reads it, and a missing GPU as an error. So devices are looked
    for here too. Set TF_CPP_MIN_LOG_LEVEL=0 to see everything.
    """
    level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if level == "0":
        return
    warnings.filterwarnings("ignore", module="keras")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with _held_stderr():
        import absl.logging
        import keras  # noqa: F401
        import tensorflow

        tensorflow.config.list_physical_devices()
        absl.logging.set_verbosity(absl.logging.ERROR)
