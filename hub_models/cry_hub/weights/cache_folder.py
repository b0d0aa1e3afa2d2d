"""Where weights are kept on this machine, and what is said if that fails."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from collections.abc import Iterator
from pathlib import Path

_log = logging.getLogger(__name__)
_FULL = {errno.ENOSPC, errno.EDQUOT}
_READ_ONLY = {errno.EACCES, errno.EPERM, errno.EROFS}


def cache_dir() -> Path:
    """Returns `$CRY_TF_HOME`, or `~/.cache/cry-tf` where that is not set."""
    home = os.environ.get("CRY_TF_HOME")
    return Path(home).expanduser() if home else Path.home() / ".cache" / "cry-tf"


def weights_dir(preset: str) -> Path:
    """Returns the folder of a preset's weights, which may not exist."""
    return cache_dir() / "weights" / preset


def downloads_dir(preset: str) -> Path:
    """Returns the folder of a preset's unfinished downloads, which may not exist."""
    return cache_dir() / "downloads" / preset


def digest_file(path: Path) -> Path:
    """Returns where the digest of an installed file is kept."""
    return path.with_name(path.name + ".sha256")


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Lets one process at a time do a piece of work; the others wait.

    The system gives the lock back when its holder dies, however it dies.

    Args:
        name: Of the work; one lock a name.

    Raises:
        PermissionError: If the cache cannot be written.
    """
    from filelock import FileLock, Timeout

    folder = cache_dir() / "locks"
    with explained(cache_dir()):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            _log.warning("another process is busy with %s: waiting for it", name)
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turns a full disk and a folder that cannot be written into a sentence.

    Raises:
        PermissionError: For a folder that cannot be written.
        OSError: For a full disk or quota. Others are let through as they are.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise OSError(
                f"The disk of {folder} must have room for the weights. It is full. "
                "Free some, or set CRY_TF_HOME to a folder on another disk."
            ) from error
        if error.errno in _READ_ONLY:
            raise PermissionError(
                f"{folder} must be a folder that can be written. "
                f"{error.strerror}: {error.filename or folder}. Set CRY_TF_HOME to a "
                "folder of yours."
            ) from error
        raise


def is_full(error: BaseException) -> bool:
    """Returns whether an error means a full disk or quota."""
    return isinstance(error, OSError) and error.errno in _FULL
