"""The two errors that a file from outside can cause.

Both are an `OSError`, so one `except OSError` also covers a missing file. Their
message is one sentence for the person at the keyboard: which file, which rule it
breaks, what to do.
"""

from __future__ import annotations


class SoundFileError(OSError):
    """A sound file cannot be used: unreadable, empty, or not finite."""


class ModelFileError(OSError):
    """A `.tflite` cannot be used: foreign, damaged, or without settings."""
