"""Errors and warnings of an export."""

from __future__ import annotations


class ConversionError(ValueError):
    """The model cannot become a TFLite file that the plain runtime can run."""


class FallbackWarning(UserWarning):
    """A file is stored in more bytes than were asked for, or with other windows."""
