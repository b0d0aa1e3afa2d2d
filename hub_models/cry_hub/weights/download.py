"""One file from the network: resumed where it broke off, checked before it counts."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cry_hub.errors import WeightsError
from cry_hub.weights.cache_folder import explained, is_full
from cry_hub.weights.http_response import first_byte, is_packed, reason, total_bytes
from cry_hub.weights.part_file import PartFile

Progress = Callable[[int, int | None], None]

TIMEOUT_S = (10.0, 60.0)  # to connect, and between two chunks
CHUNK_BYTES = 1 << 18
TRIES = 4
PAUSE_S = 1.0  # before the second try, then twice as long each time

_log = logging.getLogger(__name__)
_HTML = re.compile(rb"\s*(<!doctype html|<html|<head|<\?xml)", re.IGNORECASE)


def is_offline() -> bool:
    """Returns whether `CRY_TF_OFFLINE` forbids the network (set, and not 0)."""
    return os.environ.get("CRY_TF_OFFLINE", "0").strip() not in ("", "0")


def download(
    url: str,
    path: str | os.PathLike[str],
    *,
    digest: str | None = None,
    size_bytes: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Fetches one file into a folder.

    What has come so far is kept in `NAME.part` and the rest asked for the next
    time, unless the file has changed or the server cannot. The file appears under
    its name when it is complete and has its digest. A full disk removes the part.
    One process at a time may fetch to one path.

    Args:
        url: The address.
        path: Where the file shall be. If it is there with its digest, nothing is
            fetched.
        digest: `sha256:HEX` or `md5:HEX`, or None if it is not known.
        size_bytes: Length of the file, or None if it is not known.
        progress: Called with (bytes that are there, bytes in all or None).

    Returns:
        The path.

    Raises:
        ConnectionError: If the server cannot be reached, has no such file, or the
            connection breaks again and again; or `CRY_TF_OFFLINE` is set.
        WeightsError: If what comes is a web page or has another length or digest.
        PermissionError: If the folder cannot be written.
        OSError: If the disk is full.
    """
    if is_offline():
        raise ConnectionError(
            f"CRY_TF_OFFLINE is set, so {url} is not downloaded. Unset it to use the "
            "network."
        )
    import pooch

    path = Path(path)
    part = PartFile(path.with_name(path.name + ".part"), url)
    # pooch names its arguments fname, action and pooch, and gives url and a path.
    downloader: Any = _Resuming(part, digest, size_bytes, progress or (lambda *_: None))
    with explained(path.parent), _quiet(pooch.get_logger()):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(path.parent, os.W_OK):
            raise PermissionError(errno.EACCES, "No right to write", str(path.parent))
        pooch.retrieve(
            url,
            known_hash=digest,
            fname=path.name,
            path=path.parent,
            downloader=downloader,
        )
    return path


class _BrokenOffError(Exception):
    """The connection ended early; the rest can be requested."""


class _Resuming:
    """A downloader for pooch, which checks the digest and moves the file in place."""

    def __init__(
        self,
        part: PartFile,
        digest: str | None,
        size_bytes: int | None,
        progress: Progress,
    ):
        self._part = part
        self._digest = digest
        self._size_bytes = size_bytes
        self._progress = progress
        self._was_resumed = False

    def __call__(self, url: str, output_file: str, _: Any) -> None:
        try:
            self._fetch(url)
            if self._was_resumed and self._fault():
                # Bytes from before that do not belong here: once from the start.
                self._part.discard()
                self._fetch(url)
        except OSError as error:
            if is_full(error):
                self._part.discard()
            raise
        fault = self._fault()
        if fault:
            self._part.discard()
            raise WeightsError(
                f"What {url} sends is not the published file and is not used: {fault}. "
                "Try again later, or get the file elsewhere."
            )
        self._part.move_to(output_file)

    def _fault(self) -> str | None:
        import pooch

        size = self._part.size
        if self._size_bytes is not None and size != self._size_bytes:
            return f"expected {self._size_bytes} bytes, found {size}"
        if self._digest is None:
            return None
        kind, _, expected = self._digest.partition(":")
        found = pooch.file_hash(self._part.path, alg=kind)
        return (
            None if found == expected else f"expected {kind} {expected}, found {found}"
        )

    def _fetch(self, url: str) -> None:
        """Fills the part file, over several connections if need be."""
        for attempt in range(TRIES):
            before = self._part.size
            try:
                return self._connect(url)
            except _BrokenOffError as error:
                if attempt == TRIES - 1 or (attempt == 0 and self._part.size == before):
                    raise ConnectionError(
                        _unreachable(url, error, self._part.size)
                    ) from error
                _log.info("%s broke off (%s): asking for the rest", url, error)
                time.sleep(PAUSE_S * 2**attempt)
        return None

    def _connect(self, url: str) -> None:
        import requests

        # As it is: a compressed transfer has neither a length nor ranges.
        headers = {"Accept-Encoding": "identity"}
        headers |= self._part.range_headers(self._digest is not None)
        try:
            with requests.get(
                url, headers=headers, stream=True, timeout=TIMEOUT_S
            ) as response:
                self._receive(url, response)
        except requests.RequestException as error:
            raise _BrokenOffError(reason(error)) from error

    def _receive(self, url: str, response: Any) -> None:
        self._was_resumed |= response.status_code != 200
        if response.status_code == 416:  # asked for more than there is
            if total_bytes(response) != self._part.size:
                self._part.discard()
                raise _BrokenOffError("the file has changed")
            return
        if response.status_code not in (200, 206):
            raise ConnectionError(
                f"{url} cannot be fetched: the server answers {response.status_code} "
                f"({response.reason}). Try again later, or get the file elsewhere."
            )
        is_rest = response.status_code == 206
        start = self._part.size if is_rest else 0
        if is_rest and first_byte(response) != start:
            self._part.discard()
            raise _BrokenOffError("the server sends another part of the file")
        total = total_bytes(response)
        chunks = response.iter_content(CHUNK_BYTES)
        first = b"" if is_rest else next(chunks, b"")
        kind = response.headers.get("Content-Type", "")
        if kind.startswith("text/html") or _HTML.match(first):
            raise WeightsError(
                f"{url} must give a weights file. It gives a web page, which is not "
                "kept: a login page or proxy may stand before it. Open it in a browser."
            )
        self._check_room(url, total, start)
        # What is unpacked on the way has other positions: nothing to resume by.
        version = {} if is_packed(response) else response.headers
        with self._part.go_on() if is_rest else self._part.begin(version) as file:
            done = start + file.write(first)
            self._progress(done, total)
            for chunk in chunks:
                done += file.write(chunk)
                self._progress(done, total)
        if total is not None and done != total:
            raise _BrokenOffError(f"{done} of {total} bytes came")

    def _check_room(self, url: str, total: int | None, start: int) -> None:
        folder = self._part.path.parent
        free = shutil.disk_usage(folder).free + (0 if start else self._part.size)
        if total is not None and total - start > free:
            raise OSError(
                f"{folder} must have room for {total - start:,} bytes of {url}. It has "
                f"{free:,}; nothing was fetched. Free some, or set CRY_TF_HOME to a "
                "folder on another disk."
            )


def _unreachable(url: str, error: Exception, kept_bytes: int) -> str:
    kept = " What has come is kept; try again for the rest." if kept_bytes else ""
    return f"{url} could not be fetched: {error}.{kept}"


@contextlib.contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Keeps pooch from printing each download on stderr."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
