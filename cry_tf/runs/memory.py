"""Turns out-of-memory errors into errors that say what to do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import tensorflow as tf


@contextlib.contextmanager
def explained(what: str, advice: str) -> Iterator[None]:
    """Raises an error with advice where the memory is full.

    Args:
        what: Was done, such as `4 clips were scored`.
        advice: Which setting to lower, whole sentences.

    Raises:
        ValueError: If the memory gets full.
    """
    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise ValueError(
            f"A batch must fit into memory. It was full while {what}. {advice}"
        ) from error
