"""Digests of files whose authors gave none: those of the first time count."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

from cry_hub.errors import WeightsError
from cry_hub.weights.cache_folder import cache_dir, explained, locked
from cry_lite import atomic


def pins_file() -> Path:
    """Returns where the pins are kept, which may not exist."""
    return cache_dir() / "pins.json"


def pinned(url: str) -> str | None:
    """Returns the digest (`sha256:HEX`) pinned for an address, or None.

    Raises:
        WeightsError: If the file of pins cannot be read.
    """
    entry = _read().get(url)
    return None if entry is None else entry["digest"]


def pin(url: str, digest: str) -> None:
    """Keeps a digest as that of an address from now on.

    Args:
        url: The address.
        digest: `sha256:HEX`.

    Raises:
        WeightsError: If another digest is pinned already.
        OSError: If the cache cannot be written.
    """
    with locked("pins"):
        pins = _read()
        earlier = pins.get(url, {}).get("digest")
        if earlier not in (None, digest):
            raise WeightsError(refusal(url, earlier, digest))
        if earlier is None:
            date = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            pins[url] = {"digest": digest, "date": date}
            with explained(cache_dir()):
                content = json.dumps(pins, indent=2, sort_keys=True) + "\n"
                atomic.write_bytes(pins_file(), content.encode())


def refusal(url: str, expected: str, found: str) -> str:
    """Returns what is said of a file that is not the pinned one."""
    return (
        f"{url} must give the file that it gave the first time. Expected {expected} "
        f"(pinned), found {found}; it is not used. If its authors say that it has "
        f"changed, remove its entry from {pins_file()}."
    )


def _read() -> dict[str, dict[str, str]]:
    path = pins_file()
    if not path.is_file():
        return {}
    try:
        pins = json.loads(path.read_text(encoding="utf-8"))
        for entry in pins.values():
            if not entry["digest"].startswith("sha256:"):
                raise ValueError(entry)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"{path} must be the pins that cry-tf wrote. It cannot be read. Restore "
            "it, or delete it: digests are then pinned anew."
        ) from error
    return pins
