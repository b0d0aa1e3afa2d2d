"""Decodes a sound file with libsndfile, up to the end of the sound.

libsndfile stops at the length that the header tells, or that it guesses; and a read
that meets damage gives an error in place of the samples before it. Here a file is
opened so that its length is a hint, and damage ends nothing that can go on.
"""

from __future__ import annotations

import functools
import io
import os
import stat
import sys
from collections.abc import Iterator
from typing import IO, Any, Protocol

import numpy as np

from cry_lite.errors import SoundFileError
from cry_lite.sound_container import ContainerLayout, Pieces, after_damage, find_layout
from cry_lite.sound_pipe import is_pipe, name_of, read_pipe

BLOCK_FRAMES = 65_536
# Where libsndfile knows no length it says the largest there is.
_NO_LENGTH = 1 << 62
# Outside of these no recorder works; resampling would never end, or leave nothing.
_LOWEST_RATE_HZ, _HIGHEST_RATE_HZ = 1_000, 1_000_000


class Decoder(Protocol):
    """What decodes a file, for `sound_file.SoundStream`.

    Attributes:
        sample_rate_hz: Rate of the file, Hz.
        channels: Number of channels.
        subtype: Sample format, such as `PCM_16`.
        frames: Samples of one channel, as far as it is known before decoding; 0 if
            not at all.
        promised_frames: What the header says of that; None if it says nothing.
    """

    sample_rate_hz: int
    channels: int
    subtype: str
    frames: int
    promised_frames: int | None

    def blocks(self) -> Iterator[np.ndarray]:
        """Yields float32 `(samples, channels)`, of any length.

        Raises:
            SoundFileError: If the file is damaged before the first sample.
        """
        ...

    def notes(self) -> list[str]:
        """Returns what was noticed so far, a sentence each."""
        ...

    def close(self) -> None:
        """Closes the file."""
        ...


class LibsndfileDecoder:
    """A `Decoder` of WAV, FLAC, Ogg, MP3, AIFF and what else libsndfile reads.

    Args:
        path: Path of the file, a pipe, or `-` for standard input.

    Raises:
        SoundFileError: If the file is missing, unreadable or empty.
    """

    def __init__(self, path: str) -> None:
        self._path = name_of(path)
        self._pieces: Pieces | None = None
        self._frames_read = 0
        self._damage: list[tuple[int, str]] = []  # After how many samples, and what.
        self._source = _open_bytes(path)
        try:
            self._layout, self._file = self._find_sound()
        except BaseException:
            self._source.close()
            raise
        self.sample_rate_hz: int = self._file.samplerate
        if not _LOWEST_RATE_HZ <= self.sample_rate_hz <= _HIGHEST_RATE_HZ:
            self.close()
            raise SoundFileError(
                f"{self._path} says that its sample rate is {self.sample_rate_hz} Hz, "
                f"outside of {_LOWEST_RATE_HZ} to {_HIGHEST_RATE_HZ} Hz: its header is "
                "damaged. Copy it again from where it was recorded."
            )
        self.channels: int = self._file.channels
        self.subtype: str = self._file.subtype
        frames = self._layout.frames
        if frames is None:
            frames = self._file.frames if self._file.frames < _NO_LENGTH else 0
        self.frames: int = frames
        self.promised_frames: int | None = None
        if self._layout.promised and frames:
            self.promised_frames = round(frames / self._layout.promised)

    def blocks(self) -> Iterator[np.ndarray]:
        """Yields the samples; see `Decoder`."""
        yield from self._blocks_of(self._layout)
        for span in self._layout.more:
            layout = ContainerLayout(pieces=(span,))
            try:
                self._file = self._opened(layout)
            except (RuntimeError, OSError) as error:
                self._damage.append((self._frames_read, _reason(error)))
                continue
            kind = (self._file.samplerate, self._file.channels)
            if kind != (self.sample_rate_hz, self.channels):
                why = "what follows has another sample rate or other channels"
                self._damage.append((self._frames_read, why))
                continue
            yield from self._blocks_of(layout)
        if not self._frames_read and self._damage:
            raise SoundFileError(
                f"{self._path} is damaged from its beginning ({self._damage[0][1]}). "
                "Copy or record it again."
            )

    def notes(self) -> list[str]:
        """Returns what was noticed; see `Decoder`."""
        notes = list(self._layout.notes)
        damage = self._damage
        if self.promised_frames is not None:
            # At the last sample that came: what follows a whole sound is no sound, such
            # as the tags of a player, and what cuts it is told by the promise.
            damage = [each for each in damage if each[0] < self._frames_read]
        if damage:
            frames, why = damage[0]
            places = f" and {len(damage) - 1} more places" if len(damage) > 1 else ""
            notes.append(
                f"the file is damaged at {frames / self.sample_rate_hz:.1f} s{places} "
                f"({why}): some of its sound could not be read"
            )
        return notes

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
        self._source.close()

    def _find_sound(self) -> tuple[ContainerLayout, Any]:
        """Returns the layout, and a `soundfile.SoundFile` of at least one sample."""
        try:
            if not self._source.seek(0, os.SEEK_END):
                raise SoundFileError(
                    f"{self._path} is empty (0 bytes). Copy or record it again."
                )
            layout = find_layout(self._source, self._path)
        except OSError as error:
            raise _unopened(self._path, error) from error
        try:
            file = self._opened(layout)
        # A headerless .raw file is a TypeError: soundfile wants its rate.
        except (RuntimeError, OSError, TypeError) as error:
            raise SoundFileError(
                f"{self._path} cannot be read as sound ({_reason(error)}). "
                "Convert it to WAV or FLAC first."
            ) from error
        if file.frames == 0:
            file.close()
            raise SoundFileError(
                f"{self._path} has no sound in it (0 samples). Record it again."
            )
        return layout, file

    def _opened(self, layout: ContainerLayout) -> Any:
        source: Any = self._source
        self._pieces = None
        if layout.pieces:
            source = self._pieces = Pieces(source, layout.pieces, layout.claimed_bytes)
        elif isinstance(source, io.BufferedReader):
            # As bytes, a name that is no text in this locale can be opened too.
            windows = sys.platform == "win32"
            source = self._path if windows else os.fsencode(self._path)
        else:  # A pipe's content is open already, and has no name.
            source.seek(0)
        return _sequential()(source)

    def _blocks_of(self, layout: ContainerLayout) -> Iterator[np.ndarray]:
        """Yields the samples of one recording, the open file."""
        while True:
            block, error = self._read()
            self._frames_read += len(block)
            if len(block):
                yield block
            if error is None:
                if not len(block):
                    return
                continue
            self._damage.append((self._frames_read, _reason(error)))
            if self._pieces is None:
                return
            rest = after_damage(layout, self._pieces.tell(), self._source)
            if rest is None:
                return
            layout = rest
            self._file.close()
            self._file = self._opened(layout)

    def _read(self) -> tuple[np.ndarray, Exception | None]:
        """Returns what could be decoded of a block, and what ended it."""
        # An error hides how many samples were decoded; those not written tell.
        block = np.full((BLOCK_FRAMES, self.channels), np.nan, np.float32)
        error = None
        try:
            block = self._file.read(BLOCK_FRAMES, "float32", always_2d=True, out=block)
        except (RuntimeError, OSError) as raised:
            error = raised
            missing = np.isnan(block[:, 0])
            block = block[: missing.argmax() if missing.any() else None]
        if self._pieces is not None and self._pieces.error is not None:
            raise _unopened(self._path, self._pieces.error)
        return block, error


@functools.cache
def _sequential() -> type:
    """Returns a `soundfile.SoundFile` that reads on and on.

    The base seeks after every block. An MP3 then gives other samples at the seams, and
    a FLAC file of unknown length an error at its end. Nor does it read any further than
    the length it guessed.
    """
    import soundfile  # 20 ms: not for a command that reads no sound.

    class Sequential(soundfile.SoundFile):
        def seekable(self) -> bool:
            return False

    return Sequential


def _open_bytes(path: str) -> IO[bytes]:
    try:
        if is_pipe(path):
            return read_pipe(path)
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise SoundFileError(
                f"{path} is a folder, not a sound file. Name a file in it."
            )
        if not stat.S_ISREG(mode):
            raise SoundFileError(
                f"{path} is a device, not a sound file. Record from it first."
            )
        return open(path, "rb")
    except SoundFileError:
        raise
    except FileNotFoundError as error:
        raise SoundFileError(f"File not found: {path}.") from error
    except OSError as error:
        raise _unopened(path, error) from error
    except ValueError as error:  # A path with a NUL inside.
        raise SoundFileError(f"{path!r} cannot be opened ({error}).") from error


def _unopened(path: str, error: OSError) -> SoundFileError:
    if isinstance(error, SoundFileError):
        return error
    return SoundFileError(
        f"{path} cannot be opened ({error.strerror}). Check its permissions."
    )


def _reason(error: Exception) -> str:
    """Returns libsndfile's words without the path that soundfile puts first."""
    words = getattr(error, "error_string", None) or str(error)
    return words.strip().rstrip(".").removeprefix("Error : ")
