"""Sound files become waveforms: decoded, checked, mixed to mono, resampled.

A file is read block by block, so a night costs no more memory than a minute.
`read` joins the same blocks, so training and the device get the same samples.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from cry_lite.channel_mix import ChannelMix
from cry_lite.errors import SoundFileError
from cry_lite.sound_decoder import BLOCK_FRAMES, Decoder, LibsndfileDecoder
from cry_lite.sound_pipe import STANDARD_INPUT, is_pipe, name_of
from cry_lite.waveform import MAX_PEAK


@dataclass(frozen=True, kw_only=True)
class SoundInfo:
    """What is known of a sound file before it is decoded.

    Attributes:
        sample_rate_hz: Rate of the file, Hz.
        channels: Number of channels.
        frames: Samples of one channel: counted where that takes no decoding, else
            what the header says, which is a hint. 0 if it says nothing.
        duration_s: Length by `frames`, seconds.
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
    are the whole waveform, up to the end of the sound and not of what the header
    promises. Channels are averaged, unless they cancel each other: see `ChannelMix`.
    Another rate is resampled (soxr, high quality). Samples beyond full scale, which
    float files may hold, are clipped and counted; what the resampling filter
    overshoots is clipped too.

    Use it as a context manager, and iterate once.

    Args:
        path: Path of the file: WAV, FLAC, Ogg, MP3, AIFF, what libsndfile reads; of
            a pipe, which is read to its end first; or `-` for standard input.
        sample_rate_hz: Int > 0, the rate of the waveform, Hz.
        open_decoder: What opens the file; None is libsndfile.

    Attributes:
        info: What is known before decoding.
        frames_read: Samples of one channel decoded so far, at the file's rate.
        clipped_samples: Decoded samples beyond full scale so far, all channels.
        peak: Largest magnitude decoded so far, before clipping.

    Raises:
        SoundFileError: On opening, if the file is missing, unreadable or empty;
            on iterating, if nothing of it can be decoded, or it holds NaN or infinity,
            or samples more than 24 dB beyond full scale.
        ValueError: If `sample_rate_hz` is not positive.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        sample_rate_hz: int,
        open_decoder: Callable[[str], Decoder] | None = None,
    ) -> None:
        if sample_rate_hz <= 0:
            raise ValueError(
                f"sample_rate_hz must be positive. Received: {sample_rate_hz!r}."
            )
        path = os.path.expanduser(os.fspath(path))
        self.path = name_of(path)
        self.sample_rate_hz = sample_rate_hz
        self._decoder = (open_decoder or LibsndfileDecoder)(path)
        rate_hz = self._decoder.sample_rate_hz
        self.info = SoundInfo(
            sample_rate_hz=rate_hz,
            channels=self._decoder.channels,
            frames=self._decoder.frames,
            duration_s=self._decoder.frames / rate_hz,
            subtype=self._decoder.subtype,
        )
        self._mix = ChannelMix(rate_hz)
        self.frames_read = 0
        self.clipped_samples = 0
        self.peak = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self._decoder.close()

    @property
    def share_read(self) -> float:
        """The share of the sound that was decoded, 0 to 1; 0 if unknown."""
        if not self.info.frames:
            return 0.0
        return min(1.0, self.frames_read / self.info.frames)

    def counted_info(self) -> SoundInfo:
        """Returns `info` with a length; in place of iterating, if it takes decoding."""
        if self.info.frames:
            return self.info
        frames = sum(len(block) for block in self._decoder.blocks())
        return replace(
            self.info, frames=frames, duration_s=frames / self.info.sample_rate_hz
        )

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
        rate_hz = self.info.sample_rate_hz
        if self._mix.turned_samples:
            notes.append(
                "the channels cancel each other in "
                f"{self._mix.turned_samples / rate_hz:.1f} s of the sound, as if one "
                "were wired the wrong way round: there one was turned before they were "
                "mixed"
            )
        notes += self._decoder.notes()
        promised = self._decoder.promised_frames or 0
        if self.frames_read < promised:
            read_s, promised_s = self.frames_read / rate_hz, promised / rate_hz
            digits = 1 if promised_s - read_s >= 0.1 else 3
            notes.append(
                f"the file may be cut short or damaged: {read_s:.{digits}f} s could be "
                f"read, its header promises {promised_s:.{digits}f} s"
            )
        return tuple(notes)

    def _mono_blocks(self) -> Iterator[np.ndarray]:
        for block in _in_equal_blocks(self._decoder.blocks()):
            self.frames_read += len(block)
            # The extremes are NaN if any sample is: one pass finds every fault.
            peak = float(max(block.max(), -block.min()))
            if not math.isfinite(peak):
                raise SoundFileError(
                    f"{self.path} has samples that are NaN or infinite. "
                    "Save it again as 16-bit PCM."
                )
            self.peak = max(self.peak, peak)
            if peak > MAX_PEAK:
                raise SoundFileError(
                    f"{self.path} has samples up to {peak:.6g} where full scale is 1. "
                    "Divide them by the full scale of the recording and save it again."
                )
            if peak > 1.0:
                self.clipped_samples += int(np.count_nonzero(np.abs(block) > 1.0))
                np.clip(block, -1.0, 1.0, out=block)
            yield self._mix(block)

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

    The samples are those of `SoundStream`, which also has notes on what it changed.

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
    """Returns what is known of a sound file without decoding it.

    A file whose header says no length, as FLAC from a pipe, is decoded all the same to
    count its samples.

    Raises:
        SoundFileError: If the file is missing, unreadable or empty, or is a pipe.
    """
    name = os.path.expanduser(os.fspath(path))
    if name == STANDARD_INPUT or (os.path.exists(name) and is_pipe(name)):
        raise SoundFileError(
            f"{name_of(name)} is a pipe, which gives its sound once. Save it to a "
            "file first."
        )
    # Any rate will do: the samples are not asked for.
    with SoundStream(path, sample_rate_hz=1) as sound:
        return sound.counted_info()


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


def _in_equal_blocks(blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Cuts blocks anew: how a file was decoded must not change how it is mixed."""
    waiting: list[np.ndarray] = []
    samples = 0
    for block in blocks:
        waiting.append(block)
        samples += len(block)
        if samples < BLOCK_FRAMES:
            continue
        joined = waiting[0] if len(waiting) == 1 else np.concatenate(waiting)
        whole = samples - samples % BLOCK_FRAMES
        for start in range(0, whole, BLOCK_FRAMES):
            yield joined[start : start + BLOCK_FRAMES]
        waiting = [joined[whole:]] if samples > whole else []
        samples -= whole
    if samples:
        yield np.concatenate(waiting)


def _within_full_scale(waveform: np.ndarray) -> np.ndarray:
    return np.clip(waveform, -1.0, 1.0, out=waveform)
