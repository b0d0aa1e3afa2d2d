"""What goes wrong between a Keras model and a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cry_export.parity import ParityReport


class ConversionError(ValueError):
    """The model cannot become a TFLite file that the plain runtime can run."""


class FallbackWarning(UserWarning):
    """A file is stored in more bytes than were asked for, or with other windows."""


class ParityError(ValueError):
    """The TFLite file does not answer like the Keras model; it was not written.

    Attributes:
        report: The figures that led to the refusal.
    """

    def __init__(self, message: str, report: ParityReport):
        """Keeps the report beside the message."""
        super().__init__(message)
        self.report = report
