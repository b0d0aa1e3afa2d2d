"""The microphone as a waveform that comes in blocks: the only place with sounddevice.

`sounddevice` is the extra `microphone`; it brings PortAudio, except on Linux.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import numpy as np

from cry_lite.errors import MicrophoneError

_BLOCK_S = 0.1


class Microphone:
    """The waveform of a microphone, in blocks, without end.

    Iterating yields float32 arrays `(samples,)`, mono in [-1, 1], while recording, for
    `cry_lite.windows.stream_windows`. A device that does not support the sample rate
    records at its default rate and is resampled (soxr, high quality).

    Use it as a context manager, and iterate once. PortAudio drops blocks that are not
    read in time; `lost_blocks` counts them.

    Args:
        sample_rate_hz: Int > 0, sample rate of the waveform, Hz.
        device: Number, or part of the name, of an input device as listed by `python -m
            sounddevice`. None takes the system's default. Default: None.

    Attributes:
        device_rate_hz: Rate at which the device records, Hz.
        lost_blocks: Number of blocks before which sound was lost.

    Raises:
        ValueError: If `sample_rate_hz` is not positive.
        MicrophoneError: If sounddevice or PortAudio is not installed, or there is no
            such microphone; on iterating, if it is unplugged.

    Example:
        >>> with Microphone(16_000) as microphone:
        ...     for block in microphone:
        ...         print(abs(block).max())
    """

    def __init__(self, sample_rate_hz: int, device: int | str | None = None) -> None:
        if sample_rate_hz <= 0:
            raise ValueError(
                f"sample_rate_hz must be positive. Received: {sample_rate_hz!r}."
            )
        self.sample_rate_hz = sample_rate_hz
        self.lost_blocks = 0
        self._sounddevice = _import_sounddevice()
        self._name = "The microphone" if device is None else f"The microphone {device}"
        try:
            self.device_rate_hz = self._rate(device)
            self._stream = self._sounddevice.InputStream(
                samplerate=self.device_rate_hz,
                device=device,
                channels=1,
                dtype="float32",
            )
        # A name that no device has, or that several have, is a ValueError.
        except (self._sounddevice.PortAudioError, ValueError) as error:
            raise self._failure("cannot be opened", error) from error

    def __enter__(self) -> Self:
        try:
            self._stream.start()
        except self._sounddevice.PortAudioError as error:
            self._stream.close()
            raise self._failure("cannot be started", error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.close()

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yields the blocks; see the class."""
        blocks = self._blocks()
        if self.device_rate_hz == self.sample_rate_hz:
            return blocks
        return self._resampled(blocks)

    def _blocks(self) -> Iterator[np.ndarray]:
        frames = max(1, round(_BLOCK_S * self.device_rate_hz))
        while True:
            try:
                block, was_lost = self._stream.read(frames)
            except self._sounddevice.PortAudioError as error:
                raise self._failure("has stopped", error) from error
            self.lost_blocks += bool(was_lost)
            yield block[:, 0]

    def _resampled(self, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        import soxr

        stream = soxr.ResampleStream(
            self.device_rate_hz, self.sample_rate_hz, 1, dtype="float32"
        )
        for block in blocks:
            yield np.clip(stream.resample_chunk(block), -1.0, 1.0)

    def _rate(self, device: int | str | None) -> int:
        try:
            self._sounddevice.check_input_settings(
                device=device,
                channels=1,
                dtype="float32",
                samplerate=self.sample_rate_hz,
            )
        except self._sounddevice.PortAudioError:
            found = self._sounddevice.query_devices(device, "input")
            return round(found["default_samplerate"])
        return self.sample_rate_hz

    def _failure(self, what: str, error: Exception) -> MicrophoneError:
        return MicrophoneError(
            f"{self._name} {what} ({error}). Plug one in, or choose another: "
            "python -m sounddevice lists them."
        )


def _import_sounddevice() -> Any:
    try:
        return importlib.import_module("sounddevice")
    except ImportError as error:
        raise MicrophoneError(
            "The microphone needs sounddevice, which is not installed: "
            'pip install "cry-tf[microphone]".'
        ) from error
    except OSError as error:  # PortAudio itself is missing.
        raise MicrophoneError(
            f"The microphone needs PortAudio ({error}). On a Raspberry Pi: "
            "sudo apt install libportaudio2."
        ) from error
