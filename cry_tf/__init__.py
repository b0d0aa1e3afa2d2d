"""Trains, distils and exports networks that hear babies cry."""

from cry_lite import __version__

__all__ = ["__version__"]
