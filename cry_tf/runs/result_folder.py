"""Writes a folder of results atomically."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cry_lite.result_files import check_writable

# Every folder that a command writes holds it, and it is asked for before one is
# replaced: --overwrite must never empty a folder of recordings.
MARK = "metrics.json"


@contextlib.contextmanager
def writing(path: str | os.PathLike[str], overwrite: bool = False) -> Iterator[Path]:
    """Gives a folder to write into, which becomes `path` if all goes well.

    It stands beside `path` under a hidden name until then. After an error or
    Ctrl-C it is removed, and what was at `path` is untouched.

    Args:
        path: The folder wanted. An empty one may exist.
        overwrite: True replaces an earlier result.

    Yields:
        The folder to write into.

    Raises:
        FileExistsError: If something stands at `path` and may not be replaced.
        OSError: If the folder cannot be made.
    """
    check(path, overwrite)
    path = Path(path).expanduser().absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{path.name}.part-", dir=path.parent))
    try:
        part.chmod(0o777 & ~_umask())  # mkdtemp gives 0o700
        yield part
        check(path, overwrite)
        if path.exists():
            replaced = part.with_name(part.name.replace(".part-", ".old-"))
            path.rename(replaced)
            part.rename(path)
            shutil.rmtree(replaced)
        else:
            part.rename(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_json(path: Path, values: Any) -> None:
    """Writes JSON that any parser reads: no NaN, no infinity.

    Raises:
        ValueError: If a number is not finite.
    """
    text = json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def check(path: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Raises if `writing` would refuse the folder, before any work is done.

    Raises:
        FileExistsError: If something stands at `path` and may not be replaced.
        OSError: If no folder can be made there.
    """
    path = Path(path).expanduser()
    # The result is made beside the folder that it replaces.
    check_writable(path.absolute().parent)
    if not path.exists() and not path.is_symlink():
        return
    if not path.is_dir():
        raise FileExistsError(f"The output must be a folder. {path} is a file.")
    if not any(path.iterdir()):
        return
    if not (path / MARK).is_file():
        raise FileExistsError(
            f"The output must be a new folder or an earlier result. {path} holds "
            "something else, which is left alone. Choose another folder."
        )
    if not overwrite:
        raise FileExistsError(
            f"{path} holds an earlier result. Choose another folder, or give "
            "--overwrite to replace it."
        )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
