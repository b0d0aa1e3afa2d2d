"""What goes wrong with weights."""

from __future__ import annotations


class WeightsError(ValueError):
    """A weights file or mapping that is not what the preset needs.

    Raised before anything is used: the message says what was expected, what
    was found and what to do.
    """
