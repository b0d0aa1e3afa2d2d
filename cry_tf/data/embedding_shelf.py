"""The stored embeddings of one backbone: a folder with a file a recording.

A file is an uncompressed `.npz`, whose CRC is checked at every read. For 1,500
clips, reading one file a clip takes as long as reading one file for all of them.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cry_lite import __version__, atomic
from cry_tf.data import decoding
from cry_tf.data.clip import Clip
from cry_tf.data.content_digest import content_sha256

if TYPE_CHECKING:
    from cry_tf.data.extraction import Extractor

# Other processors and thread counts move an output by rounding, well under this
# share of the largest value; a change of the backbone's code moves it by more.
_SAME_SHARE = 2e-3


class Shelf:
    """Reads and writes the embeddings of one backbone.

    Attributes:
        folder: Where they are.
        notes: What went wrong with the folder, in words; the embeddings
            themselves are not affected.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.damaged: list[Path] = []  # in the order in which threads found them
        self.unwritable: OSError | None = None

    @classmethod
    def of(cls, cache_dir: Path, extractor: Extractor) -> Shelf:
        """Finds the folder of a backbone, or starts one.

        A folder is the backbone's if the fingerprint is the same and the
        backbone still makes the same of the probe.
        """
        fingerprint = extractor.fingerprint()[:16]
        probe = extractor.probe()
        for folder in sorted(cache_dir.glob(f"{fingerprint}-*")):
            stored = _read(folder / "probe.npz")
            if stored is not None and _is_same(stored, probe):
                return cls(folder)
        suffix = hashlib.sha256(probe.tobytes()).hexdigest()[:8]
        shelf = cls(cache_dir / f"{fingerprint}-{suffix}")
        backbone = extractor.backbone
        about = {
            "what": "embeddings of recordings, one .npz for each content digest",
            "backbone": f"{type(backbone).__module__}.{type(backbone).__name__}",
            "front_end": backbone.front_end_spec.to_dict(),
            "fingerprint": extractor.fingerprint(),
            "cry_tf": __version__,
        }
        shelf._write(shelf.folder / "probe.npz", {"embeddings": probe})
        shelf._write(shelf.folder / "about.json", about)
        return shelf

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the user about the folder."""
        notes = []
        if self.damaged:
            notes.append(
                f"Damaged cache entries, computed again: {len(self.damaged)} (first: "
                f"{min(self.damaged)})."
            )
        if self.unwritable is not None:
            notes.append(
                f"Embeddings could not be stored ({self.unwritable}): the next run "
                "computes them again. Set CRY_TF_HOME to a folder with room."
            )
        return tuple(notes)

    def path(self, key: str) -> Path:
        """Returns where an entry is, or would be."""
        return self.folder / key[:2] / f"{key}.npz"

    def load(self, key: str) -> np.ndarray | None:
        """Returns float32 `(time, features)`, or None if missing or damaged."""
        path = self.path(key)
        if not path.exists():
            return None
        value = _read(path)
        if value is None:
            self.damaged.append(path)
        return value

    def save(self, key: str, value: np.ndarray) -> None:
        """Stores an entry; a full or read-only disk is noted, not raised."""
        self._write(self.path(key), {"embeddings": value})

    def _write(self, path: Path, content: Mapping[str, object]) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # A file that a power cut damaged is made again, by its CRC.
            with (
                atomic.replacing(path, is_synced=False) as part,
                open(part, "wb") as file,
            ):
                if path.suffix == ".npz":
                    np.savez(file, **content)  # type: ignore[arg-type]
                else:
                    file.write(json.dumps(content, indent=1).encode())
        except OSError as error:
            self.unwritable = error


def _read(path: Path) -> np.ndarray | None:
    """Returns the embeddings in a file, or None if there are none to trust."""
    try:
        # np.load leaves a damaged file open that it opened itself.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            value = archive["embeddings"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    if value.ndim != 2 or value.dtype != np.float32 or not value.shape[0]:
        return None
    return value


def _is_same(stored: np.ndarray, probe: np.ndarray) -> bool:
    if stored.shape != probe.shape:
        return False
    scale = float(np.abs(stored).max()) or 1.0
    return float(np.abs(stored - probe).max()) <= _SAME_SHARE * scale


def measured(
    shelf: Shelf,
    clips: Iterable[Clip],
    measure: Callable[[Clip], np.ndarray],
    tell: Callable[[], None] = lambda: None,
) -> list[np.ndarray]:
    """Measures clips in threads, from the shelf where a file was measured before.

    Args:
        shelf: Where results are kept, by the content of each file.
        clips: Clips that can be decoded.
        measure: Returns float32 `(steps, values)` of a clip.
        tell: Called after each clip.

    Raises:
        OSError: If a clip cannot be decoded.
    """

    def of(clip: Clip) -> np.ndarray:
        key = content_sha256(clip.path)
        found = shelf.load(key)
        if found is None:
            found = measure(clip)
            shelf.save(key, found)
        return found

    results = []
    for _, found in decoding.ahead(of, clips):
        if isinstance(found, OSError):
            raise found
        results.append(found)
        tell()
    return results
