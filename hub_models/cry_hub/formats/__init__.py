"""Weights files as their authors gave them out, as named arrays."""

from cry_hub.formats.content import Source, read

__all__ = ["Source", "read"]
