"""A folder of sounds to mix in, and cuts of them."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cry_lite.errors import SoundFileError
from cry_lite.sound_file import SoundStream
from cry_tf.data import decoding, sound_source
from cry_tf.data.content_digest import content_digests

_CACHE_BYTES = 256 * 2**20
_LONGEST_CACHED_S = 600.0


@dataclass(frozen=True)
class NoiseFolder:
    """The sound files at any depth below a folder, hidden ones left out.

    Headers are read at once, so a file that is no sound ends the run before it
    starts. Decoded files are kept, the last 256 MiB of them. Files of more than
    ten minutes are read up to the cut every time: split them for speed.

    Args:
        path: The folder. It must not hold the clips of a test fold, nor other
            recordings of their groups: only the caller knows.

    Attributes:
        files: The sound files, sorted by name.
        silent: Files that turned out to hold zeros only, filled as they are read.

    Raises:
        FileNotFoundError: If the folder does not exist.
        ValueError: If there is no sound file in it.
        SoundFileError: If files cannot be read as sound, with their names.
    """

    path: Path
    files: tuple[Path, ...] = field(init=False, repr=False)
    silent: list[Path] = field(
        init=False, repr=False, compare=False, default_factory=list
    )

    def __post_init__(self) -> None:
        """Lists the files and reads their headers."""
        root = Path(self.path).expanduser()
        object.__setattr__(self, "path", root)
        if not root.is_dir():
            raise FileNotFoundError(
                f"A noise folder holds sound files. No folder is at {root}."
            )
        found = []
        for folder, below, names in os.walk(root, followlinks=True):
            below[:] = sorted(name for name in below if not name.startswith("."))
            found += [
                Path(folder, name)
                for name in names
                if not name.startswith(".") and sound_source.is_sound_name(name)
            ]
        if not found:
            raise ValueError(
                f"A noise folder holds at least one sound file. {root} has none. Add "
                "recordings, or leave the noise out."
            )
        found.sort(key=lambda path: path.relative_to(root).as_posix())
        object.__setattr__(self, "files", tuple(found))
        headers = decoding.ahead(sound_source.info, self.files)
        bad = [str(info) for _, info in headers if isinstance(info, OSError)]
        if bad:
            more = f" (and {len(bad) - 3} more files)" if len(bad) > 3 else ""
            raise SoundFileError(f"{' '.join(bad[:3])}{more}")

    def __len__(self) -> int:
        """Returns the number of sound files."""
        return len(self.files)

    def sha256(self) -> str:
        """Returns a digest of the files' names and contents.

        Raises:
            OSError: If a file cannot be read.
        """
        names = [path.relative_to(self.path).as_posix() for path in self.files]
        rows = [*zip(names, content_digests(self.files), strict=True)]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()

    def cut(
        self, file: str, place: float, samples: int, sample_rate_hz: int
    ) -> np.ndarray:
        """Returns a piece of a file; a shorter file is repeated.

        Args:
            file: Its name below the folder, with forward slashes.
            place: Where the piece begins: 0 at the first possible place, 1 at
                the last. If the piece is silent, the one around the loudest
                sample is taken instead.
            samples: Length wanted, at least 1.
            sample_rate_hz: Rate wanted, Hz.

        Returns:
            Float32 `(samples,)`, not to be written to. Zeros only if the whole
            file is silent, which is noted in `silent`, or the piece of a file of
            more than ten minutes.

        Raises:
            SoundFileError: If the file cannot be decoded, with its name.
        """
        path = self.path / file
        if _is_long(path, samples / sample_rate_hz):
            return _streamed(path, place, samples, sample_rate_hz)
        noise = _decoded(path, sample_rate_hz)
        if len(noise) <= samples:
            piece = np.resize(np.roll(noise, -int(place * (len(noise) - 1))), samples)
        else:
            start = round(place * (len(noise) - samples))
            piece = noise[start : start + samples]
        if not piece.any():
            loudest = int(np.argmax(np.abs(noise)))
            if not noise[loudest]:
                if path not in self.silent:
                    self.silent.append(path)
                return np.zeros(samples, np.float32)
            start = min(max(loudest - samples // 2, 0), len(noise) - samples)
            piece = noise[start : start + samples]
        return piece


def _is_long(path: Path, seconds: float) -> bool:
    """Returns whether a file is read piece by piece, for a piece of `seconds`."""
    if path.suffix.lower() in sound_source.CONTAINER_SUFFIXES:
        return False  # Decoded whole: libsndfile does not read all of them.
    return sound_source.info(path).duration_s > max(_LONGEST_CACHED_S, seconds + 1)


def _streamed(
    path: Path, place: float, samples: int, sample_rate_hz: int
) -> np.ndarray:
    """Decodes up to the end of a piece, and keeps no more than the piece."""
    promised = int(sound_source.info(path).duration_s * sample_rate_hz)
    piece, read = _piece(
        path, round(place * (promised - samples)), samples, sample_rate_hz
    )
    if len(piece) < min(samples, read):
        # The header promises more than is there: the place is one of what is.
        start = round(place * max(0, read - samples))
        piece, _ = _piece(path, start, samples, sample_rate_hz)
    return np.resize(piece, samples)


def _piece(
    path: Path, start: int, samples: int, sample_rate_hz: int
) -> tuple[np.ndarray, int]:
    """Returns a piece, shorter where the sound ends, and how much was decoded."""
    pieces = [np.zeros(0, np.float32)]
    at = 0
    with SoundStream(path, sample_rate_hz) as stream:
        for block in stream:
            if at + len(block) > start:
                pieces.append(block[max(start - at, 0) :])
            at += len(block)
            if at >= start + samples:
                break
    return np.concatenate(pieces)[:samples], at


class _Decoded:
    """The last decoded files, up to a number of bytes; threads may share it."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, int, int, int], np.ndarray] = OrderedDict()
        self._bytes = 0

    def __call__(self, path: Path, sample_rate_hz: int) -> np.ndarray:
        try:
            status = os.stat(path)
        except OSError as error:
            raise SoundFileError(
                f"{path} cannot be read ({error.strerror}). It was there when the "
                "noise folder was opened."
            ) from error
        key = (os.fspath(path), status.st_size, status.st_mtime_ns, sample_rate_hz)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        noise = sound_source.read(path, sample_rate_hz)
        noise.setflags(write=False)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = noise
                self._bytes += noise.nbytes
            while self._bytes > self.most_bytes:
                self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return noise


_decoded = _Decoded(_CACHE_BYTES)
