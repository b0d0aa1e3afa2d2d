"""Sound that comes through a pipe: standard input, `<(...)`, a FIFO.

Most formats are read back and forth, and a pipe gives each byte once. So it is read to
its end first, into memory while it is short and into a temporary file from there on.
"""

from __future__ import annotations

import os
import select
import stat
import sys
from typing import IO

from cry_lite.errors import SoundFileError

STANDARD_INPUT = "-"
"""What stands for standard input in place of a path."""

_IN_MEMORY_BYTES = 16 << 20
# 40 hours of 16 bits at 16 kHz. A pipe that never ends must not fill the disk.
_MOST_BYTES = 4 << 30
_BLOCK_BYTES = 1 << 16
_PATIENCE_S = 2.0


def name_of(path: str) -> str:
    """Returns what to call a path in a sentence."""
    return "standard input" if path == STANDARD_INPUT else path


def is_pipe(path: str) -> bool:
    """Returns whether a path is standard input, a pipe, a FIFO or a socket.

    Raises:
        OSError: If the path does not exist.
    """
    if path == STANDARD_INPUT:
        return True
    mode = os.stat(path).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def read_pipe(path: str) -> IO[bytes]:
    """Reads a pipe to its end.

    After two seconds without data it logs one message, because a FIFO without a writer,
    or a terminal, would otherwise wait silently.

    Args:
        path: The pipe, or `-` for standard input.

    Returns:
        A seekable file with the data, open for reading. Closing deletes it.

    Raises:
        SoundFileError: If more than 4 GiB come, or nothing can be stored.
        OSError: If the pipe cannot be read.
    """
    name = name_of(path)
    if path == STANDARD_INPUT:
        if sys.stdin is None:
            raise SoundFileError("standard input is closed. Name a file.")
        if sys.stdin.isatty():
            raise SoundFileError(
                "standard input is a terminal. Name a file, or send sound through a "
                "pipe: cat night.wav | cry-lite analyze -"
            )
        source = os.dup(sys.stdin.fileno())
    else:
        # To open a FIFO waits for its writer; in this way only the reading does.
        source = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    import tempfile  # 5 ms: not for a command that reads files.

    content = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115
    try:
        _copy(source, content, name)
    except BaseException:
        content.close()
        raise
    finally:
        os.close(source)
    content.seek(0)
    return content


def _copy(source: int, content: IO[bytes], name: str) -> None:
    _wait(source, name)
    total = 0
    while True:
        try:
            block = os.read(source, _BLOCK_BYTES)
        except BlockingIOError:
            _wait(source, name)
            continue
        if not block:
            return
        total += len(block)
        if total > _MOST_BYTES:
            raise SoundFileError(
                f"{name} gave more than {_MOST_BYTES >> 30} GiB. Save the sound to a "
                "file, and name that."
            )
        try:
            content.write(block)
        except OSError as error:
            raise SoundFileError(
                f"what came from {name} cannot be stored in the temporary folder "
                f"({error.strerror}). Save the sound to a file, and name that."
            ) from error


def _wait(source: int, name: str) -> None:
    """Returns when there is something to read, or nothing more will come."""
    if sys.platform == "win32":
        return  # Its pipes cannot be watched; reading waits.
    poll = select.poll()
    poll.register(source, select.POLLIN | select.POLLHUP)
    if not poll.poll(1000 * _PATIENCE_S):
        import logging  # 5 ms, and seldom needed.

        logging.getLogger("cry_lite").warning("waiting for sound from %s", name)
        poll.poll()
