"""The errors that the world outside can cause.

Each is an `OSError`, so one `except OSError` also covers a missing file. Their
message is one sentence for the person at the keyboard: which file or device, which
rule it breaks, what to do.
"""

from __future__ import annotations


class SoundFileError(OSError):
    """A sound file cannot be used: unreadable, empty, or not finite."""


class ModelFileError(OSError):
    """A `.tflite` cannot be used: foreign, damaged, or without settings."""


class MicrophoneError(OSError):
    """A microphone cannot be used: missing, busy, or without its software."""
