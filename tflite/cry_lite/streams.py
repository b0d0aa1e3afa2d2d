"""The standard streams of a command: a printout never ends the work behind it.

Whatever is printed passes through here once. Characters that the encoding does not
have are escaped; a stream that is closed, a disk that is full and a terminal that is
gone cost the text alone.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import unicodedata
from collections.abc import Callable
from typing import Any

# What a shell says of a program that nobody reads any more: 128 and SIGPIPE.
NOBODY_READS = 141


class Output:
    """Stdout or stderr of a command.

    Args:
        stream: Where the text goes.

    Attributes:
        goes_on: Whether the command goes on where nothing can be printed any more:
            True once it makes something else than a printout.
        error: What the first failure was, or None.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.goes_on = False
        self.error: Exception | None = None

    def write(self, text: str) -> int:
        """Writes a text, or drops it where that failed before."""
        self._attempt(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Hands on what was written."""
        self._attempt(self._stream.flush)

    def _attempt(self, act: Callable[[], Any]) -> None:
        if self.error is not None:
            return
        try:
            act()
        except (OSError, ValueError) as error:  # ValueError: the stream was closed
            self.error = error
            self._let_go()
            if not self.goes_on:
                raise _OutputLost(1) from error

    def _let_go(self) -> None:
        """Points the descriptor nowhere: Python flushes once more when it ends."""
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
        except (OSError, ValueError):
            pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _OutputLost(SystemExit):
    """Ends a command that has nothing to do but to print."""


def run(name: str, work: Callable[[Output], int]) -> int:
    """Runs a command with streams on which no printout can fail.

    Args:
        name: The command's, for its own complaints.
        work: Does the work and returns the exit code. It is given stdout, whose
            `goes_on` it sets.

    Returns:
        The code of `work`; `NOBODY_READS` where the reader of stdout has gone, 1
        where a printout was lost for another reason.
    """
    _open_closed_descriptors()
    earlier = sys.stdout, sys.stderr
    output, errors = Output(_stream(sys.stdout, 1)), Output(_stream(sys.stderr, 2))
    errors.goes_on = True  # a warning or a progress bar is never the result
    sys.stdout, sys.stderr = output, errors  # type: ignore[assignment]
    code = 0
    try:
        code = work(output)
        output.goes_on = True
        output.flush()
    except _OutputLost:
        code = 1
    finally:
        sys.stdout, sys.stderr = earlier
    if isinstance(output.error, BrokenPipeError):
        return NOBODY_READS
    if output.error is not None:
        reason = getattr(output.error, "strerror", None) or output.error
        print(f"{name}: what was to be printed is lost ({reason}).", file=errors)
        code = code or 1
    errors.flush()
    return code


def let_interrupts_end_the_process() -> None:
    """Makes Ctrl-C end the process silently, once a command has nothing to lose."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def in_one_line(text: str) -> str:
    """Returns a text with its control characters escaped.

    The name of a file may hold a line's end, and codes that a terminal obeys.
    """
    controls = ("Cc", "Zl", "Zp")
    return "".join(
        ascii(each)[1:-1] if unicodedata.category(each) in controls else each
        for each in text
    )


def is_watched(stream: Any) -> bool:
    """Says whether a person sees a stream, on a terminal that can redraw a line."""
    return stream.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")


def _open_closed_descriptors() -> None:
    """Opens what the shell closed of 0, 1 and 2.

    The next file to be opened would take the number, and a library's complaint on
    stderr would end up in it.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)


def _stream(stream: Any, number: int) -> Any:
    if stream is None:  # it was closed when Python began
        return open(
            number, "w", encoding="utf-8", errors="backslashreplace", closefd=False
        )
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return stream
