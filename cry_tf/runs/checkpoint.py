"""Checkpoints of an interrupted run, kept beside it until it is finished.

A hidden folder beside the run keeps the finished folds and the state after the
last epoch, each in a file that is written atomically.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cry_lite import atomic

_FACTS = "_facts"


def save_arrays(
    path: Path, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any] | None = None
) -> None:
    """Writes arrays, replacing the file.

    Args:
        path: Of the file, `.npz`; not compressed, with a checksum an array.
        arrays: By name.
        facts: JSON types.

    Raises:
        OSError: If the file cannot be written.
    """
    text = np.frombuffer(json.dumps(dict(facts or {})).encode(), np.uint8)
    with atomic.replacing(path) as part, open(part, "wb") as file:
        np.savez(file, **{_FACTS: text}, **arrays)  # type: ignore[arg-type]


def load_arrays(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
    """Returns facts and arrays, or None if the file is missing or damaged."""
    try:
        # np.load leaves a damaged file open that it opened itself.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = dict(archive)
        return json.loads(arrays.pop(_FACTS).tobytes()), arrays
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


_SETTINGS = "run.json"
_NOW = "now.npz"
_LOCK = "lock"


class Checkpoint:
    """A hidden folder beside a run, with finished folds and the last epoch.

    Every file is written atomically. The folder is deleted when the run is finished.

    Attributes:
        folder: Where it is, `.NAME.resume` beside the run.
        maps: Folder in it, for feature maps.
    """

    def __init__(self, folder: Path):
        self.folder, self.maps = folder, folder / "maps"

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> Checkpoint:
        """Returns the checkpoint of the run at `path`, which need not exist yet."""
        path = Path(path).expanduser().absolute()
        return cls(path.with_name(f".{path.name}.resume"))

    @property
    def has_progress(self) -> bool:
        """Whether at least one epoch is saved."""
        return any(self.folder.glob("*.npz"))

    @contextlib.contextmanager
    def open(self, is_resumed: bool, is_replaced: bool) -> Iterator[Checkpoint]:
        """Locks the folder during a run, and deletes it when the run is finished.

        After an interrupt or an error the folder stays if an epoch is saved in it.

        Args:
            is_resumed: Whether the run continues from saved progress.
            is_replaced: Whether saved progress may be deleted.

        Raises:
            FileExistsError: If progress is saved and both are False, or another
                process works on this run.
        """
        import filelock

        self.folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(self.folder / _LOCK)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise FileExistsError(
                f"One process at a time makes a run. Another one works in "
                f"{self.folder}. Wait for it, or choose another folder."
            ) from None
        try:
            if self.has_progress and not (is_resumed or is_replaced):
                raise FileExistsError(
                    f"{self.folder} keeps an interrupted run. Go on with it with "
                    "--resume, or throw it away with --overwrite."
                )
            if not (self.has_progress and is_resumed):
                self._empty()  # also after a run that was killed in its first epoch
            yield self
        except BaseException:
            if not self.has_progress:
                self._remove()
            raise
        else:
            self._remove()
        finally:
            lock.release()

    def require_same(self, facts: Mapping[str, Any]) -> None:
        """Saves the data and settings of a new run, or compares those of a resumed one.

        Args:
            facts: Everything that changes the result; JSON types.

        Raises:
            ValueError: If something has changed, with its name.
        """
        file = self.folder / _SETTINGS
        facts = json.loads(json.dumps(facts))
        if not self.has_progress or not file.is_file():
            atomic.write_bytes(file, json.dumps(facts, indent=1).encode())
            return
        before, now = _flat(json.loads(file.read_text("utf-8"))), _flat(facts)
        for name in sorted({*before, *now}):
            if before.get(name) != now.get(name):
                raise ValueError(
                    "--resume needs the data and settings that the run began with. "
                    f"Received: {name} {now.get(name)!r}, which was "
                    f"{before.get(name)!r}. Restore that, or start again with "
                    "--overwrite."
                )

    def save_fold(self, name: str, scores: np.ndarray, history: Any) -> None:
        """Saves a finished fold, and deletes the state of its last epoch."""
        file = self.folder / f"fold-{name}.npz"
        save_arrays(file, {"scores": scores}, {"history": history})
        (self.folder / _NOW).unlink(missing_ok=True)

    def fold(self, name: str) -> tuple[np.ndarray, Any] | None:
        """Returns scores and history of a finished fold, or None."""
        found = load_arrays(self.folder / f"fold-{name}.npz")
        if found is None:
            return None
        return found[1]["scores"], found[0]["history"]

    def slot(self, name: str) -> FoldCheckpoint:
        """Returns the checkpoint of a fold."""
        return FoldCheckpoint(self.folder / _NOW, name)

    def _empty(self) -> None:
        shutil.rmtree(self.maps, ignore_errors=True)
        for file in self.folder.iterdir():
            if file.name != _LOCK:
                file.unlink()

    def _remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


class FoldCheckpoint:
    """Saves and loads the state of one fold after its last epoch."""

    def __init__(self, path: Path, name: str):
        self._path, self._name = path, name

    def save(self, facts: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Saves a state, replacing the previous one.

        Args:
            facts: JSON types.
            arrays: By name.
        """
        save_arrays(self._path, arrays, {**facts, "fold": self._name})

    def load(self) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
        """Returns what was saved, or None if it is damaged or of another fold."""
        found = load_arrays(self._path)
        return None if found is None or found[0]["fold"] != self._name else found


def _flat(values: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(values, dict):
        return {name: values}
    flat = {}
    for key, value in values.items():
        flat |= _flat(value, f"{name}.{key}" if name else key)
    return flat
