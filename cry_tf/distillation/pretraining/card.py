"""The card of pretrained weights: what they heard, how, and what they are worth."""

from __future__ import annotations

from typing import Any


def card(record: dict[str, Any]) -> str:
    """Returns the card of a pretraining as Markdown, from its record."""
    return str(record)
