"""Decodes any recording: libsndfile's formats, and containers through PyAV.

PyAV brings FFmpeg with it, so mp4, m4a, 3gp, caf and aac need no system
package. It is the `video` extra, and this is the one module that imports it.
"""

from __future__ import annotations

import os
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
    path = Path(path)
    if not _needs_pyav(path):
        return sound_file.read(path, sample_rate_hz)
    waveform, native_hz = _decode(path)
    return sound_file.resample(waveform, native_hz, sample_rate_hz).clip(-1, 1)


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
    path = Path(path)
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
    path = Path(path)
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
    av = _pyav(path)
    pieces = []
    try:
        with av.open(os.fspath(path)) as container:
            stream = _sound_track(container, path)
            native_hz = stream.rate
            to_planar_float = av.AudioResampler(format="fltp", rate=native_hz)
            for frame in container.decode(stream):
                for piece in to_planar_float.resample(frame):
                    pieces.append(piece.to_ndarray().mean(axis=0, dtype=np.float32))
            for piece in to_planar_float.resample(None):
                pieces.append(piece.to_ndarray().mean(axis=0, dtype=np.float32))
    except av.FFmpegError as error:
        raise _unreadable(path, error) from error
    waveform = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    if not waveform.size:
        raise SoundFileError(
            f"A recording holds at least one sample. The sound track of {path} is "
            "empty. Leave it out."
        )
    if not np.isfinite(waveform).all():
        raise SoundFileError(
            f"Samples are finite. {path} holds NaN or infinity. Record or convert it "
            "again."
        )
    return waveform, native_hz


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
