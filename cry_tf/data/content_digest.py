"""Digests of file contents, computed once and in parallel."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# Path, size and modification time stand for the content within one process.
_known: dict[tuple[str, int, int], str] = {}


def content_sha256(path: Path) -> str:
    """Returns the SHA-256 of a file's bytes, in hexadecimal.

    An unchanged file (same path, size and modification time) is read once in
    the life of the process.

    Raises:
        OSError: If the file cannot be read.
    """
    status = os.stat(path)
    key = (os.fspath(path), status.st_size, status.st_mtime_ns)
    if key not in _known:
        with open(path, "rb") as file:
            _known[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return _known[key]


def content_digests(paths: Iterable[Path]) -> list[str]:
    """Returns the SHA-256 of each file, in order; hashing releases the GIL."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(content_sha256, paths))


def same_content(paths: Sequence[Path]) -> list[list[int]]:
    """Returns the sets of files that are equal byte for byte.

    Only files that share their size with another are read.

    Args:
        paths: Existing files.

    Returns:
        Lists of two or more indices into `paths`, each list in rising order.
    """
    by_size: dict[int, list[int]] = defaultdict(list)
    for index, path in enumerate(paths):
        by_size[os.path.getsize(path)].append(index)
    candidates = [i for same in by_size.values() if len(same) > 1 for i in same]
    by_digest: dict[str, list[int]] = defaultdict(list)
    digests = content_digests(paths[i] for i in candidates)
    for index, digest in zip(candidates, digests, strict=True):
        by_digest[digest].append(index)
    return [sorted(same) for same in by_digest.values() if len(same) > 1]
