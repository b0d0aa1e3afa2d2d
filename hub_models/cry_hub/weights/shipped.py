"""Weights that come with the package, and which recordings they have heard."""

from __future__ import annotations

from pathlib import Path

from cry_hub import registry
from cry_hub.preset import Preset

_PACKAGE = Path(__file__).parents[1]


def shipped_file(record: Preset) -> Path | None:
    """Returns the weights of a preset that come with the package, or None.

    None too where a file has an address: that one is fetched instead.
    """
    if record.shipped is None or any(file.url for file in record.files):
        return None
    return _PACKAGE / record.shipped


def bundled() -> tuple[str, ...]:
    """Returns the presets whose weights are bundled: they need no network."""
    names = registry.presets()
    return tuple(name for name in names if shipped_file(registry.get(name)))


def heard_by(sha256: str | None) -> frozenset[str]:
    """Returns which recordings weights that come with the package have heard.

    A model that began from them must not be judged on these as if they were new.

    Args:
        sha256: Of a weights file, in hexadecimal, or None.

    Returns:
        The first 16 digits of the SHA-256 of each recording's file; empty for
        weights that do not come with the package.
    """
    for name in registry.presets():
        record = registry.get(name)
        path = shipped_file(record)
        known = {file.digest for file in record.files}
        if path is not None and sha256 is not None and f"sha256:{sha256}" in known:
            heard = path.with_suffix(".heard.txt").read_text("utf-8")
            return frozenset(heard.split())
    return frozenset()
