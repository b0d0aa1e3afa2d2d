"""The weights on this machine: fetched, installed whole, checked at every read."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from cry_hub import formats, registry
from cry_hub.errors import WeightsError
from cry_hub.formats import Source
from cry_hub.preset import Preset, WeightsFile
from cry_hub.weights.cache_folder import (
    cache_dir,
    digest_file,
    downloads_dir,
    locked,
    weights_dir,
)
from cry_hub.weights.download import Progress, download, is_offline
from cry_hub.weights.installation import Installation
from cry_hub.weights.origin import published
from cry_hub.weights.placing import npz_name, place
from cry_hub.weights.shipped import bundled, shipped_file

__all__ = [
    "by_hand",
    "cache_dir",
    "fetch",
    "find",
    "install",
    "obtain",
    "read_installed",
    "weights_dir",
]

_log = logging.getLogger(__name__)


def find(preset: str) -> Path | None:
    """Returns the installed weights file of a preset, or None.

    A file without its `.sha256` beside it was not installed to the end, and is
    not seen. A file that the registry knows goes before another.

    Raises:
        WeightsError: If two unknown files are installed, since neither can be
            preferred.
    """
    record = registry.get(preset)
    folder = weights_dir(preset)
    for file in record.files:
        if digest_file(folder / npz_name(file.name)).is_file():
            return folder / npz_name(file.name)
    installed = [
        path for path in sorted(folder.glob("[!.]*.npz")) if digest_file(path).is_file()
    ]
    if len(installed) > 1:
        names = ", ".join(path.name for path in installed)
        raise WeightsError(
            f"One weights file must be installed for {preset}. Found in "
            f"{folder}: {names}. Delete all but one."
        )
    return installed[0] if installed else None


def read_installed(path: Path) -> Source:
    """Returns an installed file, after checking the digest written beside it.

    Raises:
        WeightsError: If the file has changed since it was installed.
    """
    expected = digest_file(path).read_text("utf-8").split()[:1]
    source = formats.read(path)
    if expected != [source.sha256]:
        raise WeightsError(
            f"{path} has changed since it was installed and is not used: expected "
            f"sha256 {''.join(expected) or '(empty)'}, found {source.sha256}. Delete "
            "it and install it again."
        )
    return source


def install(preset: str, source: str | os.PathLike[str]) -> Installation:
    """Checks a weights file and installs it in the cache.

    Args:
        preset: Name of the preset.
        source: A file in any format of `cry_hub.formats.read`; it is not changed. A
            file with the name of a published one must have its digest.

    Returns:
        The record of the installed file, which replaces one of the same name. A
        `.npz` is copied; any other format is converted to `.npz`.

    Raises:
        WeightsError: If the digest is wrong, or the file cannot be read or does not
            fit the preset. Nothing is installed then.
        FileNotFoundError: If `source` does not exist.
        OSError: If the cache cannot be written.
    """
    with locked(registry.get(preset).name):
        return place(registry.get(preset), formats.read(source), None)


def fetch(
    preset: str,
    progress: Progress | None = None,
    arrived: Callable[[], None] | None = None,
) -> Installation:
    """Downloads and installs the published weights of a preset.

    If they are there and whole, nothing is fetched. Of several processes one
    fetches, and the others wait for it.

    Args:
        preset: Name of the preset.
        progress: Called with (bytes that are there, bytes in all or None).
        arrived: Called when the file has come, before it is read and tried on the
            network.

    Returns:
        What is installed.

    Raises:
        WeightsError: If nothing is published, or what comes is not the published
            file or does not fit. Nothing is installed then.
        ConnectionError: If it cannot be fetched, or `CRY_TF_OFFLINE` is set.
        OSError: If the cache cannot be written.
    """
    record = registry.get(preset)
    file, url = published(record)
    earlier = _fetched_before(record, file)
    if earlier is not None:
        return earlier
    if is_offline():
        raise ConnectionError(
            f"CRY_TF_OFFLINE is set, so {url} is not downloaded. Unset it, or "
            f"{by_hand(preset)}."
        )
    with locked(preset):
        earlier = _fetched_before(record, file)
        if earlier is not None:
            return earlier
        path = _bring(record, file, url, progress)
        if arrived is not None:
            arrived()
        try:
            made = place(record, formats.read(path), url)
        except WeightsError:
            # What does not fit now will not fit the next time either.
            shutil.rmtree(path.parent, ignore_errors=True)
            raise
        shutil.rmtree(path.parent, ignore_errors=True)
        return made


def obtain(preset: str, progress: Progress | None = None) -> Path:
    """Returns the installed file of a preset, else the bundled, else downloads it.

    Raises:
        WeightsError: If nothing is installed or ships, and nothing is published or
            `CRY_TF_OFFLINE` is set.
        ConnectionError: If the network fails.
        OSError: If the cache cannot be written.
    """
    path = find(preset) or shipped_file(registry.get(preset))
    if path is not None:
        return path
    _, url = published(registry.get(preset))
    if is_offline():
        raise WeightsError(
            f"weights='pretrained': no file for {preset} is installed in "
            f"{weights_dir(preset)}, and CRY_TF_OFFLINE is set, so {url} is not "
            f"downloaded. Unset it, give your own file (`--weights FILE`), or "
            f"{by_hand(preset)}."
        )
    made = fetch(preset, progress)
    if made.origin == "pinned":
        _log.warning(
            "the authors of %s give no digest; pinned at first use: %s",
            made.source_file,
            made.source_digest,
        )
    return made.path


def by_hand(preset: str) -> str:
    """Returns how to install a file without the network, as part of a sentence."""
    return (
        "copy the file to this machine and install it with "
        f"`cry-tf weights fetch {preset} --from FILE`, or take a backbone whose "
        f"weights are bundled ({', '.join(bundled())})"
    )


def _fetched_before(record: Preset, file: WeightsFile) -> Installation | None:
    path = weights_dir(record.name) / npz_name(file.name)
    made = Installation.read(path)
    if made is None or made.origin == "own" or not digest_file(path).is_file():
        return None
    try:
        read_installed(path)
    except (WeightsError, FileNotFoundError):
        _log.warning("%s has changed since it was installed: fetching it again", path)
        return None
    return made


def _bring(
    record: Preset, file: WeightsFile, url: str, progress: Progress | None
) -> Path:
    """Downloads a file; the caller holds the lock of the preset."""
    _log.info("fetching %s", url)
    try:
        return download(
            url,
            downloads_dir(record.name) / file.name,
            digest=file.digest,
            size_bytes=file.size_bytes,
            progress=progress,
        )
    except ConnectionError as error:
        raise ConnectionError(
            f"{error} To do without the network, {by_hand(record.name)}."
        ) from error
