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
from cry_lite.sound_file import SoundInfo
from cry_lite.sound_folder import SUFFIXES

# Core Audio files hold what libsndfile reads (PCM, ALAC) or not (ADPCM of iOS).
_EITHER_SUFFIXES = frozenset([".caf"])
CONTAINER_SUFFIXES = _EITHER_SUFFIXES | frozenset(
    (".3g2", ".3gp", ".aac", ".amr", ".m4a", ".m4v", ".mkv", ".mov", ".mp4")
    + (".webm", ".wma")
)
"""Names of the files that PyAV decodes."""

_BLOCK_SAMPLES = 65_536


def is_sound_name(path: str | os.PathLike[str]) -> bool:
    """Returns whether the name ends like a sound or video file's."""
    return Path(path).suffix.lower() in SUFFIXES | CONTAINER_SUFFIXES


def read(path: str | os.PathLike[str], sample_rate_hz: int) -> np.ndarray:
    """Decodes a recording to one channel at one rate.

    Args:
        path: A sound file, or a video with a sound track.
        sample_rate_hz: Rate wanted, Hz. Channels are averaged, then resampled.

    Returns:
        float32 `(samples,)` in [-1, 1], at least one sample.

    Raises:
        SoundFileError: If the file cannot be decoded, holds no sample, or
            holds NaN or infinity; or if it takes PyAV and that is missing.
    """
    path = Path(path).expanduser()
    if not _needs_pyav(path):
        return sound_file.read(path, sample_rate_hz)
    waveform, native_hz = _decode(path)
    return sound_file.resample(waveform, native_hz, sample_rate_hz).clip(-1, 1)


def stream(
    path: str | os.PathLike[str],
    sample_rate_hz: int,
    note: Callable[[str], None] | None = None,
) -> Iterator[np.ndarray]:
    """Decodes a recording block by block; joined, they are what `read` returns.

    A block or two are in memory, however long the recording is.

    Args:
        path: A sound file, or a video with a sound track.
        sample_rate_hz: Rate wanted, Hz. Channels are averaged, then resampled.
        note: Called at the end with what was noticed, a sentence each (a file cut
            short, say).

    Yields:
        float32 `(samples,)` in [-1, 1], at least one sample in all.

    Raises:
        SoundFileError: As for `read`.
    """
    path = Path(path).expanduser()
    if not _needs_pyav(path):
        with sound_file.SoundStream(path, sample_rate_hz) as sound:
            yield from sound
            if note is not None:
                for sentence in sound.notes():
                    note(sentence)
        return
    resampler = None
    for block, native_hz in _decoded_blocks(path):
        if native_hz == sample_rate_hz:
            yield block.clip(-1, 1)
            continue
        if resampler is None:
            import soxr

            resampler = soxr.ResampleStream(
                native_hz, sample_rate_hz, 1, dtype="float32"
            )
        if len(resampled := resampler.resample_chunk(block)):
            yield resampled.clip(-1, 1)
    if resampler is not None:
        rest = resampler.resample_chunk(np.zeros(0, np.float32), last=True)
        if len(rest):
            yield rest.clip(-1, 1)


def read_native(
    path: str | os.PathLike[str],
) -> tuple[np.ndarray, int, tuple[str, ...]]:
    """Decodes a recording to one channel at its own rate.

    Returns:
        float32 `(samples,)` in [-1, 1]; its rate, Hz; and what was noticed
        while decoding, a sentence each (a file cut short, say).

    Raises:
        SoundFileError: As for `read`.
    """
    path = Path(path).expanduser()
    if _needs_pyav(path):
        waveform, native_hz = _decode(path)
        return waveform.clip(-1, 1), native_hz, ()
    native_hz = sound_file.info(path).sample_rate_hz
    with sound_file.SoundStream(path, native_hz) as stream:
        waveform = np.concatenate(list(stream))
        # The first note counts clipped samples, which the waveform shows anyway.
        return waveform, native_hz, stream.notes()[bool(stream.clipped_samples) :]


def info(path: str | os.PathLike[str]) -> SoundInfo:
    """Returns a recording's own rate, channels, length and coding.

    Raises:
        SoundFileError: As for `read`, without looking at the samples.
    """
    path = Path(path).expanduser()
    if not _needs_pyav(path):
        return sound_file.info(path)
    av = _pyav(path)
    try:
        with av.open(os.fspath(path)) as container:
            stream = _sound_track(container, path)
            if stream.duration is not None:
                duration_s = float(stream.duration * stream.time_base)
            else:  # av counts a container's duration in microseconds
                duration_s = (container.duration or 0) / 1e6
            return SoundInfo(
                sample_rate_hz=stream.rate,
                channels=stream.channels,
                frames=round(duration_s * stream.rate),
                duration_s=duration_s,
                subtype=stream.codec_context.name.upper(),
            )
    except av.FFmpegError as error:
        raise _unreadable(path, error) from error


def _needs_pyav(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix in _EITHER_SUFFIXES:
        try:
            sound_file.info(path)
        except SoundFileError:
            return True
        return False
    return suffix in CONTAINER_SUFFIXES


def _decode(path: Path) -> tuple[np.ndarray, int]:
    """Returns the mean of the channels, float32 `(samples,)`, and its rate."""
    blocks, rates_hz = zip(*_decoded_blocks(path), strict=True)
    return np.concatenate(blocks), rates_hz[0]


def _decoded_blocks(path: Path) -> Iterator[tuple[np.ndarray, int]]:
    """Yields the mean of the channels, block by block, and its rate."""
    is_empty = True
    for block, native_hz in _joined(_decoded_frames(path)):
        is_empty = False
        if not np.isfinite(block).all():
            raise SoundFileError(
                f"Samples are finite. {path} holds NaN or infinity. Record or convert "
                "it again."
            )
        yield block, native_hz
    if is_empty:
        raise SoundFileError(
            f"A recording holds at least one sample. The sound track of {path} is "
            "empty. Leave it out."
        )


def _joined(
    frames: Iterator[tuple[np.ndarray, int]],
) -> Iterator[tuple[np.ndarray, int]]:
    """Joins a codec's frames, of 20 ms or so, to blocks of some seconds."""
    pieces: list[np.ndarray] = []
    samples = native_hz = 0
    for piece, native_hz in frames:
        pieces.append(piece)
        samples += len(piece)
        if samples >= _BLOCK_SAMPLES:
            yield np.concatenate(pieces), native_hz
            pieces, samples = [], 0
    if samples:
        yield np.concatenate(pieces), native_hz


def _decoded_frames(path: Path) -> Iterator[tuple[np.ndarray, int]]:
    av = _pyav(path)
    try:
        with av.open(os.fspath(path)) as container:
            stream = _sound_track(container, path)
            native_hz = stream.rate
            to_planar_float = av.AudioResampler(format="fltp", rate=native_hz)
            for frame in container.decode(stream):
                for piece in to_planar_float.resample(frame):
                    yield piece.to_ndarray().mean(axis=0, dtype=np.float32), native_hz
            for piece in to_planar_float.resample(None):
                yield piece.to_ndarray().mean(axis=0, dtype=np.float32), native_hz
    except av.FFmpegError as error:
        raise _unreadable(path, error) from error


def _sound_track(container: Any, path: Path) -> Any:
    if not container.streams.audio:
        raise SoundFileError(f"{path} has no sound track. Leave it out.")
    return container.streams.audio[0]


def _pyav(path: Path) -> Any:
    try:
        import av
    except ImportError as error:
        raise SoundFileError(
            f"{path.suffix} files are decoded by PyAV, which is not installed. "
            f'Received: {path}. Run: pip install "cry-tf[video]"'
        ) from error
    return av


def _unreadable(path: Path, error: Exception) -> SoundFileError:
    return SoundFileError(
        f"{path} cannot be decoded: {error}. Check that it plays, or leave it out."
    )
