"""The folder of weights on this machine: installed whole, checked at every read."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tempfile
from pathlib import Path

import numpy as np

from cry_hub import registry
from cry_hub.errors import WeightsError


def cache_dir() -> Path:
    """Returns `$CRY_TF_HOME`, or `~/.cache/cry-tf` where that is not set."""
    home = os.environ.get("CRY_TF_HOME")
    return Path(home) if home else Path.home() / ".cache" / "cry-tf"


def weights_dir(preset: str) -> Path:
    """Returns the folder of a preset's weights, which may not exist."""
    return cache_dir() / "weights" / registry.get(preset).name


def find(preset: str) -> Path | None:
    """Returns the installed weights file of a preset, or None.

    A file without its `.sha256` beside it was not installed to the end, and is
    not seen. A file that the registry knows goes before another.

    Raises:
        WeightsError: If two unknown files are installed, since neither can be
            preferred.
    """
    known = {file.name for file in registry.get(preset).files}
    installed = [
        path
        for path in sorted(weights_dir(preset).glob("*.npz"))
        if _digest_file(path).is_file()
    ]
    chosen = [path for path in installed if path.name in known] or installed
    if len(chosen) > 1 and chosen[0].name not in known:
        names = ", ".join(path.name for path in chosen)
        raise WeightsError(
            f"One weights file must be installed for {preset}. Found in "
            f"{weights_dir(preset)}: {names}. Delete all but one."
        )
    return chosen[0] if chosen else None


def read_installed(path: Path) -> bytes:
    """Returns an installed file, after checking the digest written beside it.

    Raises:
        WeightsError: If the file has changed since it was installed.
    """
    expected = _digest_file(path).read_text("utf-8").split()[:1]
    content = path.read_bytes()
    found = sha256(content)
    if expected != [found]:
        raise WeightsError(
            f"{path} has changed since it was installed and is not used: expected "
            f"sha256 {''.join(expected) or '(empty)'}, found {found}. Delete it and "
            "install it again."
        )
    return content


def install(preset: str, source: str | os.PathLike[str]) -> Path:
    """Copies a weights file into the cache, once it is proven to fit.

    Args:
        preset: Name of the preset.
        source: A `.npz` file. It is left as it is.

    Returns:
        Where the copy is. An installed file of the same name is replaced.

    Raises:
        WeightsError: If the file is not what its name promises, cannot be read,
            or does not fit the preset. Nothing is installed then.
        FileNotFoundError: If `source` is not a file.
    """
    # Here, since it loads TensorFlow, which finding and checking files needs not.
    from cry_hub import porting

    source = Path(source)
    content = read(source)
    check_digest(preset, source, sha256(content))
    porting.port_weights(preset, parse(content, source), source=str(source))

    target = weights_dir(preset) / source.with_suffix(".npz").name
    target.parent.mkdir(parents=True, exist_ok=True)
    # Without its digest a file is not seen: first the old digest goes, last the
    # new one comes.
    _digest_file(target).unlink(missing_ok=True)
    _write_whole(target, content)
    line = f"{sha256(content)}  {target.name}\n"
    _write_whole(_digest_file(target), line.encode())
    return target


def sha256(content: bytes) -> str:
    """Returns the sha256 of the content in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def read(path: Path) -> bytes:
    """Returns the content of a weights file.

    Raises:
        FileNotFoundError: If the path is not a file.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"weights must be 'pretrained', None or the path of a .npz file. "
            f"Received: {str(path)!r}, which is not a file."
        )
    return path.read_bytes()


def check_digest(preset: str, path: Path, found: str) -> bool:
    """Returns whether the digest is a known one; False if the name is unknown too.

    Raises:
        WeightsError: If the name is that of a known file and the digest is not.
    """
    files = registry.get(preset).files
    if f"sha256:{found}" in {file.digest for file in files}:
        return True
    expected = [
        (file.digest or "").removeprefix("sha256:")
        for file in files
        if file.name == path.name and (file.digest or "").startswith("sha256:")
    ]
    if expected:
        raise WeightsError(
            f"{path} is not the published file of that name and is not used: expected "
            f"sha256 {' or '.join(expected)}, found {found}. Fetch it again, or "
            "rename it if it is a file of your own."
        )
    return False


def parse(content: bytes, path: Path) -> dict[str, np.ndarray]:
    """Returns the arrays of a `.npz` by name. Nothing is ever unpickled.

    Raises:
        WeightsError: If the content is truncated, damaged or something else.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("a single array, not an archive of named arrays")
            return {name: archive[name] for name in archive.files}
    # Damaged bytes make NumPy and zipfile fail in a dozen ways, RuntimeError and
    # tokenize.TokenError among them.
    except Exception as error:
        kind = "a web page" if _is_html(content) else "damaged, or another format"
        raise WeightsError(
            f"{path} cannot be read as an .npz of plain arrays and is not used: it is "
            f"{kind} ({len(content)} bytes). Fetch it again."
        ) from error


def _is_html(content: bytes) -> bool:
    start = content[:256].lstrip().lower()
    return start.startswith((b"<!doctype", b"<html", b"<?xml"))


def _digest_file(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _write_whole(path: Path, content: bytes) -> None:
    """Writes a file so that it is there whole or not at all."""
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise
