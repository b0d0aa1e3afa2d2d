"""Sound files become waveforms: decoded, checked, mixed to mono, resampled.

A file is read block by block, so a night costs no more memory than a minute.
`read` joins the same blocks, so training and the device hear the same samples.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from cry_lite.errors import SoundFileError

# A float file whose samples were never divided by 32768 is noise once clipped.
# Music mixed too loud stays far below 24 dB over full scale.
_MAX_PEAK = 16.0
_BLOCK_FRAMES = 65_536


@dataclass(frozen=True, kw_only=True)
class SoundInfo:
    """What the header of a sound file says.

    Attributes:
        sample_rate_hz: Rate of the file, Hz.
        channels: Number of channels.
        frames: Samples of one channel.
        duration_s: Length, seconds.
        subtype: Sample format as libsndfile names it, such as `PCM_16`.
    """

    sample_rate_hz: int
    channels: int
    frames: int
    duration_s: float
    subtype: str


class SoundStream:
    """The waveform of a sound file at a wanted rate, block by block.

    Iterating yields float32 arrays `(samples,)`, mono in [-1, 1], which joined
    are the whole waveform. Channels are averaged. Another rate is resampled
    (soxr, high quality). Samples beyond full scale, which float files may hold,
    are clipped and counted; what the resampling filter overshoots is clipped too.

    Use it as a context manager, and iterate once.

    Args:
        path: Path of the file: WAV, FLAC, Ogg, MP3, AIFF, what libsndfile reads.
        sample_rate_hz: Int > 0, the rate of the waveform, Hz.

    Attributes:
        info: What the header says.
        frames_read: Samples of one channel decoded so far, at the file's rate.
        clipped_samples: Decoded samples beyond full scale so far, all channels.
        peak: Largest magnitude decoded so far, before clipping.

    Raises:
        SoundFileError: On opening, if the file is missing, unreadable or empty;
            on iterating, if it is damaged, holds NaN or infinity, or samples
            more than 24 dB beyond full scale.
        ValueError: If `sample_rate_hz` is not positive.
    """

    def __init__(self, path: str | os.PathLike[str], sample_rate_hz: int) -> None:
        if sample_rate_hz <= 0:
            raise ValueError(
                f"sample_rate_hz must be positive. Received: {sample_rate_hz!r}."
            )
        self.path = os.path.expanduser(os.fspath(path))
        self.sample_rate_hz = sample_rate_hz
        self._file = _open(self.path)
        frames, rate_hz = self._file.frames, self._file.samplerate
        self.info = SoundInfo(
            sample_rate_hz=rate_hz,
            channels=self._file.channels,
            frames=frames,
            duration_s=frames / rate_hz,
            subtype=self._file.subtype,
        )
        # libsndfile reads what is there, and only its log tells of the header's error.
        self._is_length_doubtful = "should be" in self._file.extra_info
        self.frames_read = 0
        self.clipped_samples = 0
        self.peak = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yields the blocks; see the class."""
        blocks = self._mono_blocks()
        if self.info.sample_rate_hz != self.sample_rate_hz:
            blocks = self._resampled(blocks)
        samples = 0
        for block in blocks:
            samples += len(block)
            if len(block):
                yield block
        if not samples:
            raise SoundFileError(
                f"{self.path} has no sound in it ({self.frames_read} samples). "
                "Record it again."
            )

    def notes(self) -> tuple[str, ...]:
        """Returns what was done to the sound so far, a sentence each."""
        notes = []
        if self.clipped_samples:
            notes.append(
                f"{self.clipped_samples} samples beyond full scale "
                f"(peak {self.peak:.3g}) were clipped"
            )
        promised, rate_hz = self.info.frames, self.info.sample_rate_hz
        if self.frames_read < promised:
            notes.append(
                f"the file ends after {self.frames_read / rate_hz:.1f} s, its header "
                f"promises {promised / rate_hz:.1f} s"
            )
        elif self._is_length_doubtful:
            notes.append(
                "the file may be cut short: its length is not what its header says"
            )
        return tuple(notes)

    def _mono_blocks(self) -> Iterator[np.ndarray]:
        while len(block := self._decode()):
            self.frames_read += len(block)
            # The extremes are NaN if any sample is: one pass finds every fault.
            peak = float(max(block.max(), -block.min()))
            if not math.isfinite(peak):
                raise SoundFileError(
                    f"{self.path} has samples that are NaN or infinite. "
                    "Save it again as 16-bit PCM."
                )
            self.peak = max(self.peak, peak)
            if peak > _MAX_PEAK:
                raise SoundFileError(
                    f"{self.path} has samples up to {peak:.6g} where full scale is 1. "
                    "Divide them by the full scale of the recording and save it again."
                )
            if peak > 1.0:
                self.clipped_samples += int(np.count_nonzero(np.abs(block) > 1.0))
                np.clip(block, -1.0, 1.0, out=block)
            yield block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)

    def _decode(self) -> np.ndarray:
        try:
            return self._file.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)
        except (RuntimeError, OSError) as error:
            seconds = self.frames_read / self.info.sample_rate_hz
            raise SoundFileError(
                f"{self.path} is damaged after {seconds:.1f} s ({_reason(error)}). "
                "Copy or record it again."
            ) from error

    def _resampled(self, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        import soxr  # 3 ms, and most clips need no resampling.

        stream = soxr.ResampleStream(
            self.info.sample_rate_hz, self.sample_rate_hz, 1, dtype="float32"
        )
        for block in blocks:
            yield _within_full_scale(stream.resample_chunk(block))
        nothing = np.zeros(0, np.float32)
        yield _within_full_scale(stream.resample_chunk(nothing, last=True))


def read(path: str | os.PathLike[str], sample_rate_hz: int) -> np.ndarray:
    """Reads a sound file as a waveform at the wanted rate.

    Channels are averaged, another rate is resampled, samples beyond full scale
    are clipped; `SoundStream` counts them.

    Args:
        path: Path of the file: WAV, FLAC, Ogg, MP3, AIFF, what libsndfile reads.
        sample_rate_hz: Int > 0, the rate of the waveform, Hz.

    Returns:
        Float32 array `(samples,)`, mono in [-1, 1], at least one sample.

    Raises:
        SoundFileError: If the file is missing, unreadable, empty, or holds NaN,
            infinity, or samples more than 24 dB beyond full scale.
        ValueError: If `sample_rate_hz` is not positive.
    """
    with SoundStream(path, sample_rate_hz) as sound:
        return np.concatenate(list(sound))


def info(path: str | os.PathLike[str]) -> SoundInfo:
    """Reads the header of a sound file, not its samples.

    Raises:
        SoundFileError: If the file is missing, unreadable or empty.
    """
    # Any rate will do: nothing is decoded.
    with SoundStream(path, sample_rate_hz=1) as sound:
        return sound.info


def resample(waveform: np.ndarray, from_hz: float, to_hz: float) -> np.ndarray:
    """Changes the sample rate of a waveform (soxr, high quality).

    Args:
        waveform: Float array `(samples,)`.
        from_hz: Float > 0, its rate, Hz.
        to_hz: Float > 0, the wanted rate, Hz.

    Returns:
        Float32 array `(samples * to_hz / from_hz, rounded,)`. A waveform at full
        scale may overshoot it a little. Equal rates return the waveform as is.

    Raises:
        ValueError: If a rate is not positive or `waveform` is not 1-D.
    """
    waveform = np.asarray(waveform, np.float32)
    if waveform.ndim != 1 or not (from_hz > 0 and to_hz > 0):
        raise ValueError(
            "waveform must be 1-D and both rates positive. Received: "
            f"shape={waveform.shape}, from_hz={from_hz}, to_hz={to_hz}."
        )
    if from_hz == to_hz:
        return waveform
    import soxr

    return soxr.resample(waveform, from_hz, to_hz)


def _open(path: str) -> Any:
    """Opens a `soundfile.SoundFile` with at least one frame."""
    if os.path.isdir(path):
        raise SoundFileError(
            f"{path} is a folder, not a sound file. Name a file in it."
        )
    try:
        with open(path, "rb") as content:
            is_empty = not content.read(1)
    except FileNotFoundError as error:
        raise SoundFileError(f"{path} does not exist. Check the path.") from error
    except OSError as error:
        raise SoundFileError(
            f"{path} cannot be opened ({error.strerror}). Check who may read it."
        ) from error
    if is_empty:
        raise SoundFileError(f"{path} is empty (0 bytes). Copy or record it again.")
    import soundfile  # 20 ms: not for a command that reads no sound.

    # As bytes, a name that is no text in this locale can be opened too.
    name: Any = path if sys.platform == "win32" else os.fsencode(path)
    try:
        file = soundfile.SoundFile(name)
    # A headerless .raw file is a TypeError: soundfile wants its rate.
    except (RuntimeError, OSError, TypeError) as error:
        raise SoundFileError(
            f"{path} cannot be read as sound ({_reason(error)}). "
            "Convert it to WAV or FLAC first."
        ) from error
    if file.frames == 0:
        file.close()
        raise SoundFileError(f"{path} has no sound in it (0 samples). Record it again.")
    return file


def _reason(error: Exception) -> str:
    """Returns libsndfile's words without the path that soundfile puts first."""
    words = getattr(error, "error_string", None) or str(error)
    return words.strip().rstrip(".").removeprefix("Error : ")


def _within_full_scale(waveform: np.ndarray) -> np.ndarray:
    return np.clip(waveform, -1.0, 1.0, out=waveform)
