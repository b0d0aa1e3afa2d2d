"""The beginning of a download, kept so that the rest can be asked for."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from cry_lite import atomic


class PartFile:
    """Bytes that have come so far, and which version of the file they are of.

    The name is stable, so another process finds them after this one was killed.
    One process at a time may use it.

    Args:
        path: The file. Beside it stands `NAME.json` with the version.
        url: Where the bytes come from. Those of another address are not used.
    """

    def __init__(self, path: Path, url: str):
        self.path = path
        self.url = url
        self._note = path.with_name(path.name + ".json")

    @property
    def size(self) -> int:
        """Number of bytes that are there."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def range_headers(self, is_checked: bool) -> dict[str, str]:
        """Returns the request headers for the rest; empty to ask for everything.

        Args:
            is_checked: Whether the digest of the whole is known. Without it, the
                rest is only requested if the server can confirm that the file is
                unchanged.
        """
        note = self._read_note()
        if not self.size or note.get("url") != self.url:
            return {}
        headers = {"Range": f"bytes={self.size}-"}
        version = _version(note)
        if version:
            return headers | {"If-Range": version}
        return headers if is_checked else {}

    def begin(self, headers: Mapping[str, str]) -> BinaryIO:
        """Opens it anew for the body of a response with these headers."""
        # The old note must not vouch for new bytes, nor the new one for old bytes.
        self._note.unlink(missing_ok=True)
        file = self.path.open("wb")
        note = {
            "url": self.url,
            "etag": headers.get("ETag"),
            "last_modified": headers.get("Last-Modified"),
        }
        self._note.write_text(json.dumps(note), encoding="utf-8")
        return file

    def go_on(self) -> BinaryIO:
        """Opens it for the rest."""
        return self.path.open("ab")

    def discard(self) -> None:
        """Removes it."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def move_to(self, target: str | os.PathLike[str]) -> None:
        """Puts the finished file in place of the target."""
        atomic.put(self.path, target)
        self._note.unlink(missing_ok=True)

    def _read_note(self) -> dict[str, str | None]:
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return note if isinstance(note, dict) else {}


def _version(note: Mapping[str, str | None]) -> str | None:
    etag = note.get("etag")
    # If-Range takes no weak validator: equal in meaning, not in every byte.
    if etag and not etag.startswith("W/"):
        return etag
    return note.get("last_modified")
