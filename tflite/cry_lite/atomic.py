"""Writes a file so that it is there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def part_of(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives the name of a part file beside a file, and leaves none behind.

    Args:
        path: The file that it becomes with `put`. Its folder exists.

    Raises:
        OSError: If it cannot be written. It names `path`, which the user knows.
    """
    path = Path(path)
    # Short, so that a name which fits does not become too long. Not `tempfile`, whose
    # files nobody else may read.
    part = path.with_name(f".{path.name[:32]}.{uuid.uuid4().hex[:12]}.part")
    try:
        yield part
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(part), part):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def put(part: Path, path: str | os.PathLike[str], *, is_synced: bool = True) -> None:
    """Moves a finished part file to its place, over what is there.

    Args:
        part: In the same folder.
        path: Its place.
        is_synced: Whether its content is on the disk before its name is; False only
            for a cache that checks what it reads, since it costs some milliseconds.

    Raises:
        OSError: If it cannot be moved.
    """
    if is_synced:
        with open(part, "rb+") as file:
            os.fsync(file.fileno())
    os.replace(part, path)


@contextlib.contextmanager
def replacing(
    path: str | os.PathLike[str], *, is_synced: bool = True
) -> Iterator[Path]:
    """Gives a part file to write, which takes the place of the file afterwards.

    Args:
        path: The file. Its folder exists.
        is_synced: See `put`.

    Raises:
        OSError: If it cannot be written; the file is then as it was.
    """
    with part_of(path) as part:
        yield part
        put(part, path, is_synced=is_synced)


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Writes a whole file, over what is there, or leaves all as it was.

    Args:
        path: The file. Its folder exists.
        content: All of it.

    Raises:
        OSError: If it cannot be written, with the name of the file.
    """
    with replacing(path) as part:
        part.write_bytes(content)
