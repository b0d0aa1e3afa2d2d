"""The record of an installed weights file, stored beside it."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cry_hub.weights.cache_folder import weights_dir
from cry_lite import atomic

Origin = Literal["published", "rebuilt", "pinned", "own"]
IN_WORDS: dict[Origin, str] = {
    "published": "as its authors published it",
    "rebuilt": "a known file, rebuilt from others: not what its authors published",
    "pinned": "the file pinned at first use",
    "own": "not a known file; every tensor fits",
}
FORMAT = "cry-tf weights 1"


@dataclass(frozen=True, kw_only=True)
class Installation:
    """Origin of an installed weights file.

    Attributes:
        preset: Name of the preset.
        file: Name of the `.npz` in the cache.
        sha256: Digest of that file, hexadecimal.
        source_file: Name of the file that it was converted from.
        source_url: URL of that file, or None if a user gave it.
        source_digest: `sha256:HEX` or `md5:HEX` of the source.
        origin: Whether the digest of the source is one that its authors
            published, that of a known file which others rebuilt, one that was
            pinned at first use, or none of these.
        head: Name of the head whose weights are included, or None.
        date: Time of the installation, ISO 8601.
        licence: Licence of the weights, as in the preset.
    """

    preset: str
    file: str
    sha256: str
    source_file: str
    source_url: str | None
    source_digest: str
    origin: Origin
    head: str | None
    date: str
    licence: str

    @property
    def path(self) -> Path:
        """Where the file is."""
        return weights_dir(self.preset) / self.file

    def write(self, weights: Path) -> None:
        """Writes it beside a weights file."""
        values = {"format": FORMAT, **dataclasses.asdict(self)}
        content = json.dumps(values, indent=2) + "\n"
        atomic.write_bytes(record_file(weights), content.encode())

    @classmethod
    def read(cls, weights: Path) -> Installation | None:
        """Returns what stands beside a weights file, or None if nothing sensible."""
        try:
            values: Any = json.loads(record_file(weights).read_text(encoding="utf-8"))
            if values.pop("format") != FORMAT:
                return None
            return cls(**values)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None


def record_file(weights: Path) -> Path:
    """Returns where the record of a weights file is kept."""
    return weights.with_name(weights.name + ".json")
