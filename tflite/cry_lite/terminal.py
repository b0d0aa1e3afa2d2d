"""What a person at a terminal sees, or is spared, while work goes on."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cry_lite.streams import in_one_line, is_watched


@contextmanager
def without_delegate_notice() -> Iterator[None]:
    """Drops LiteRT's `INFO:` lines, which no setting silences, from stderr.

    They come from C++, past `sys.stderr`. Everything else is passed on.
    """
    if not hasattr(os, "memfd_create"):  # Linux only: elsewhere the line stays.
        yield
        return
    sys.stderr.flush()
    stderr, held = os.dup(2), os.memfd_create("stderr")
    try:
        os.dup2(held, 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.lseek(held, 0, os.SEEK_SET)
        with os.fdopen(held, "rb") as lines:
            for line in lines:
                if not line.startswith(b"INFO:"):
                    os.write(2, line)
        os.close(stderr)


@contextmanager
def progress_of(sound: str) -> Iterator[Callable[[float], None] | None]:
    """Gives a function that shows the share done, None if nobody watches."""
    if not is_watched(sys.stderr):
        yield None
        return
    import time

    begun = time.monotonic()
    shown = -1

    def show(share: float) -> None:
        nonlocal shown
        percent = int(100 * share)
        if percent > shown and time.monotonic() - begun > 1.0:
            shown = percent
            sys.stderr.write(f"\r{in_one_line(os.path.basename(sound))} {percent:3d} %")
            sys.stderr.flush()

    try:
        yield show
    finally:
        if shown >= 0:
            sys.stderr.write("\r\x1b[K")
