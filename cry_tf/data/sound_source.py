"""Decodes any recording: libsndfile's formats, and containers through PyAV.

PyAV brings FFmpeg with it, so mp4, m4a, 3gp, caf and aac need no system
package. It is the `video` extra, and this is the one module that imports it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cry_lite import sound_file
from cry_lite.errors import SoundFileError
from cry_lite.sound_decoder import BLOCK_FRAMES
from cry_lite.sound_file import SoundInfo, SoundStream
from cry_lite.sound_folder import CONTAINER_SUFFIXES, SUFFIXES

# Core Audio files hold what libsndfile reads (PCM, ALAC) or not (ADPCM of iOS).
_EITHER_SUFFIXES = frozenset([".caf"])
# Of other formats FFmpeg guesses the length from the bit rate.
_TELLING_FORMATS = frozenset(["mov", "mp4", "matroska", "webm", "asf", "caf"])
# Codecs begin and end with samples that belong to no sound.
_CODEC_DELAY_S = 0.25


def is_sound_name(path: str | os.PathLike[str]) -> bool:
    """Returns whether the name ends like a sound or video file's."""
    return Path(path).suffix.lower() in SUFFIXES | CONTAINER_SUFFIXES


def open_stream(path: str | os.PathLike[str], sample_rate_hz: int) -> SoundStream:
    """Opens a recording to be decoded block by block, to one channel at one rate.

    A block or two are in memory, however long the recording is.

    Args:
        path: A sound file, or a video with a sound track.
        sample_rate_hz: Rate wanted, Hz.

    Raises:
        SoundFileError: If the file cannot be decoded, holds no sample, or
            holds NaN or infinity; or if it takes PyAV and that is missing.
    """
    path = Path(path).expanduser()
    decoder = _PyAVDecoder if _needs_pyav(path) else None
    return SoundStream(path, sample_rate_hz, decoder)


def read(path: str | os.PathLike[str], sample_rate_hz: int) -> np.ndarray:
    """Decodes a recording to one channel at one rate.

    Returns:
        float32 `(samples,)` in [-1, 1], at least one sample.

    Raises:
        SoundFileError: If the file cannot be read, see `open_stream`.
    """
    with open_stream(path, sample_rate_hz) as sound:
        return np.concatenate(list(sound))


def stream(
    path: str | os.PathLike[str],
    sample_rate_hz: int,
    note: Callable[[str], None] | None = None,
) -> Iterator[np.ndarray]:
    """Decodes a recording block by block; joined, they are what `read` returns.

    Args:
        path: A sound file, or a video with a sound track.
        sample_rate_hz: Rate wanted, Hz.
        note: Called at the end with what was noticed, a sentence each (a file cut
            short, say).

    Yields:
        float32 `(samples,)` in [-1, 1], at least one sample in all.

    Raises:
        SoundFileError: If the file cannot be read, see `open_stream`.
    """
    with open_stream(path, sample_rate_hz) as sound:
        yield from sound
        if note is not None:
            for sentence in sound.notes():
                note(sentence)


def read_native(
    path: str | os.PathLike[str], max_seconds: float | None = None
) -> tuple[np.ndarray, int, tuple[str, ...]]:
    """Decodes a recording to one channel at its own rate.

    Args:
        path: A sound file, or a video with a sound track.
        max_seconds: Decodes the beginning, at least that long where the recording
            is; None decodes the whole.

    Returns:
        float32 `(samples,)` in [-1, 1]; its rate, Hz; and what was noticed
        while decoding, a sentence each (for example of a truncated file).

    Raises:
        SoundFileError: If the file cannot be read, see `open_stream`.
    """
    with open_stream(path, sample_rate_hz=1) as sound:
        native_hz = sound.info.sample_rate_hz
    with open_stream(path, native_hz) as sound:
        blocks, samples = [], 0
        for block in sound:
            blocks.append(block)
            samples += len(block)
            if max_seconds is not None and samples >= max_seconds * native_hz:
                break
        waveform = np.concatenate(blocks)
        # The first note counts clipped samples, which the waveform shows anyway.
        notes = sound.notes()[bool(sound.clipped_samples) :]
        return waveform, native_hz, notes


def info(path: str | os.PathLike[str]) -> SoundInfo:
    """Returns a recording's own rate, channels, length and coding.

    Raises:
        SoundFileError: As for `open_stream`, without looking at the samples.
    """
    with open_stream(path, sample_rate_hz=1) as sound:
        return sound.counted_info()


def _needs_pyav(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix in _EITHER_SUFFIXES:
        try:
            sound_file.info(path)
        except SoundFileError:
            return True
        return False
    return suffix in CONTAINER_SUFFIXES


class _PyAVDecoder:
    """A `cry_lite.sound_decoder.Decoder` of what FFmpeg decodes."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._av = _pyav(path)
        self._frames_read = 0
        self._damage: list[int] = []  # After how many samples.
        try:
            self._container: Any = self._av.open(path)
        except (self._av.FFmpegError, OSError, ValueError) as error:
            raise self._unreadable(error) from error
        try:
            if not self._container.streams.audio:
                raise SoundFileError(f"{path} has no sound track. Leave it out.")
            self._track = self._container.streams.audio[0]
            self.sample_rate_hz: int = self._track.rate
            self.channels: int = self._track.channels
            self.subtype: str = self._track.codec_context.name.upper()
            if not self.sample_rate_hz or not self.channels:
                raise SoundFileError(
                    f"{path} has a sound track without a sample rate or channels. "
                    "Check that it plays, or leave it out."
                )
            duration_s = self._duration_s()
        except BaseException:
            self._container.close()
            raise
        self.frames: int = round(duration_s * self.sample_rate_hz)
        self.promised_frames: int | None = None
        names = self._container.format.name.split(",")
        if _TELLING_FORMATS & set(names):
            most = round((duration_s - _CODEC_DELAY_S) * self.sample_rate_hz)
            self.promised_frames = max(0, most)

    def blocks(self) -> Iterator[np.ndarray]:
        pieces: list[np.ndarray] = []
        samples = 0
        # Of 20 ms or so, which costs more than their content.
        for piece in self._pieces():
            pieces.append(piece)
            samples += len(piece)
            self._frames_read += len(piece)
            if samples >= BLOCK_FRAMES:
                yield np.concatenate(pieces)
                pieces, samples = [], 0
        if samples:
            yield np.concatenate(pieces)

    def notes(self) -> list[str]:
        if not self._damage:
            return []
        places = f" and {len(self._damage) - 1} more places"
        return [
            f"the file is damaged at {self._damage[0] / self.sample_rate_hz:.1f} s"
            f"{places if len(self._damage) > 1 else ''}: some of its sound could not "
            "be read"
        ]

    def close(self) -> None:
        self._container.close()

    def _pieces(self) -> Iterator[np.ndarray]:
        """Yields the codec's frames, float32 `(samples, channels)`."""
        to_planar_float = None
        kind = error = None
        packets = self._container.demux(self._track)
        while True:
            try:
                packet = next(packets, None)
            except (self._av.FFmpegError, OSError) as raised:
                error = self._damaged(raised)
                break
            if packet is None:
                break
            # A damaged packet costs itself and not what follows.
            try:
                frames = packet.decode()
            except (self._av.FFmpegError, OSError, ValueError) as raised:
                error = self._damaged(raised)
                continue
            for frame in frames:
                if to_planar_float is None:
                    # The first frame counts: a header may claim mono for stereo.
                    kind = _kind(frame)
                    to_planar_float = self._av.AudioResampler(
                        format="fltp", layout=frame.layout, rate=self.sample_rate_hz
                    )
                if _kind(frame) != kind:  # PyAV would read beyond its samples.
                    error = self._damaged(ValueError("its channels change"))
                    continue
                for piece in to_planar_float.resample(frame):
                    yield piece.to_ndarray().T
        if to_planar_float is not None:
            for piece in to_planar_float.resample(None):
                yield piece.to_ndarray().T
        if error is not None and not self._frames_read:
            raise self._unreadable(error)

    def _damaged(self, error: Exception) -> Exception:
        self._damage.append(self._frames_read)
        return error

    def _duration_s(self) -> float:
        if self._track.duration is not None:
            return float(self._track.duration * self._track.time_base)
        # av counts a container's duration in microseconds
        return (self._container.duration or 0) / 1e6

    def _unreadable(self, error: Exception) -> SoundFileError:
        return SoundFileError(
            f"{self._path} cannot be decoded: {error}. Check that it plays, or leave "
            "it out."
        )


def _kind(frame: Any) -> tuple[int, int, str]:
    return frame.layout.nb_channels, frame.sample_rate, frame.format.name


def _pyav(path: str) -> Any:
    try:
        import av
    except ImportError as error:
        raise SoundFileError(
            f"{Path(path).suffix} files are decoded by PyAV, which is not installed. "
            f'Received: {path}. Run: pip install "cry-tf[video]"'
        ) from error
    return av
