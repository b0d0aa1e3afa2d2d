"""Bundled weights, and the recordings that they were trained on."""

from __future__ import annotations

from pathlib import Path

from cry_hub import registry
from cry_hub.preset import Preset

_PACKAGE = Path(__file__).parents[1]


def shipped_file(record: Preset) -> Path | None:
    """Returns the path of a preset's bundled weights, or None.

    None too if a published file has a URL: that file is downloaded instead.
    """
    if record.shipped is None or any(file.url for file in record.files):
        return None
    return _PACKAGE / record.shipped


def bundled() -> tuple[str, ...]:
    """Returns the presets with bundled weights, which need no download."""
    names = registry.presets()
    return tuple(name for name in names if shipped_file(registry.get(name)))


def trained_on(sha256: str | None) -> frozenset[str]:
    """Returns the recordings that bundled weights were pretrained on.

    Evaluate no model that was trained from these weights on these recordings.

    Args:
        sha256: SHA-256 of a weights file, hexadecimal, or None.

    Returns:
        The first 16 digits of the SHA-256 of each recording's file; empty if the
        weights are not bundled.
    """
    for name in registry.presets():
        record = registry.get(name)
        path = shipped_file(record)
        known = {file.digest for file in record.files}
        if path is not None and sha256 is not None and f"sha256:{sha256}" in known:
            digests = path.with_suffix(".trained_on.txt").read_text("utf-8")
            return frozenset(digests.split())
    return frozenset()
