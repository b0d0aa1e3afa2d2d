"""Whether what is in the cache is still what was put there."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cry_hub.weights.cache_folder import cache_dir, digest_file


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The state of one file.

    Attributes:
        preset: Whose folder it is in.
        path: The file.
        state: `ok`; `changed` if it has not the digest that was written beside
            it; `incomplete` if it was not installed or downloaded to the end.
        sentence: What that means and what to do; empty if it is in order.
    """

    preset: str
    path: Path
    state: Literal["ok", "changed", "incomplete"]
    sentence: str = ""


def verify() -> tuple[Finding, ...]:
    """Checks the digest of every weights file in the cache; changes nothing.

    Returns:
        One finding a file, by preset. None of them loads a framework.

    Raises:
        OSError: If a file cannot be read.
    """
    found = []
    for folder in sorted((cache_dir() / "weights").glob("*/")):
        found += [_installed(path) for path in sorted(folder.glob("[!.]*.npz"))]
        found += [
            Finding(
                preset=folder.name,
                path=path,
                state="incomplete",
                sentence="left by an install that was killed; delete it, or install "
                "again",
            )
            for path in sorted(folder.glob(".*"))
        ]
    for path in sorted((cache_dir() / "downloads").glob("*/*")):
        # Notes on the version of a part, and pooch's empty files, are no downloads.
        if path.suffix == ".json" or not path.stat().st_size:
            continue
        found.append(
            Finding(
                preset=path.parent.name,
                path=path,
                state="incomplete",
                sentence=f"{path.stat().st_size:,} bytes of a download; go on with "
                f"`cry-tf weights fetch {path.parent.name}`",
            )
        )
    return tuple(found)


def _installed(path: Path) -> Finding:
    preset = path.parent.name
    again = f"delete it and run `cry-tf weights fetch {preset}`"
    if not digest_file(path).is_file():
        return Finding(
            preset=preset,
            path=path,
            state="incomplete",
            sentence=f"it has no {digest_file(path).name} and is not used; {again}",
        )
    expected = " ".join(digest_file(path).read_text("utf-8").split()[:1])
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 != expected:
        return Finding(
            preset=preset,
            path=path,
            state="changed",
            sentence=f"expected sha256 {expected or '(empty)'}, found {sha256}; it is "
            f"not used; {again}",
        )
    return Finding(preset=preset, path=path, state="ok")
