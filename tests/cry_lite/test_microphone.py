from __future__ import annotations

import itertools
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from cry_lite.errors import MicrophoneError
from cry_lite.microphone import Microphone


class PortAudioError(Exception):
    pass


class FakeSoundDevice(SimpleNamespace):
    """A sound card that plays a waveform once, and is then unplugged."""

    PortAudioError = PortAudioError

    def __init__(self, waveform: np.ndarray, rates_hz: tuple[int, ...]) -> None:
        super().__init__(
            waveform=waveform, rates_hz=rates_hz, position=0, lost=set(), is_open=False
        )

    def check_input_settings(self, *, samplerate: int, **_: object) -> None:
        if samplerate not in self.rates_hz:
            raise PortAudioError("Invalid sample rate")

    def query_devices(self, device: int | str | None, kind: str) -> dict[str, float]:
        assert kind == "input"
        if device == "none such":
            raise ValueError("No input device matching 'none such'")
        if not self.rates_hz:
            raise PortAudioError("Error querying device -1")
        return {"default_samplerate": float(self.rates_hz[0])}

    def InputStream(self, *, samplerate: int, channels: int, dtype: str, **_: object):
        assert (samplerate in self.rates_hz, channels, dtype) == (True, 1, "float32")
        self.is_open = True
        return self

    def start(self) -> None:
        assert self.is_open

    def close(self) -> None:
        self.is_open = False

    def read(self, frames: int) -> tuple[np.ndarray, bool]:
        if self.position >= len(self.waveform):
            raise PortAudioError("Device unavailable")
        block = self.waveform[self.position : self.position + frames, None]
        self.position += frames
        return block, self.position // frames in self.lost


@pytest.fixture
def sound_card(monkeypatch, rng):
    def install(rates_hz: tuple[int, ...] = (16_000,)) -> FakeSoundDevice:
        waveform = rng.uniform(-0.5, 0.5, 48_000).astype(np.float32)
        card = FakeSoundDevice(waveform, rates_hz)
        monkeypatch.setitem(sys.modules, "sounddevice", card)
        return card

    return install


def test_the_blocks_joined_are_what_is_heard(sound_card):
    card = sound_card()
    with Microphone(16_000) as microphone:
        assert microphone.device_rate_hz == 16_000
        blocks = list(itertools.islice(microphone, 30))
    assert all(block.shape == (1_600,) for block in blocks)
    assert all(block.dtype == np.float32 for block in blocks)
    np.testing.assert_array_equal(np.concatenate(blocks), card.waveform)


def test_leaving_closes_the_device(sound_card):
    card = sound_card()
    with Microphone(16_000):
        assert card.is_open
    assert not card.is_open


def test_a_device_of_another_rate_is_resampled(sound_card):
    card = sound_card((48_000,))
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000)
    card.waveform = tone.astype(np.float32)
    with Microphone(16_000) as microphone:
        assert microphone.device_rate_hz == 48_000
        heard = np.concatenate(list(itertools.islice(microphone, 10)))
    # soxr holds the last milliseconds back.
    assert 15_000 < len(heard) <= 16_000
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(len(heard)) / 16_000)
    np.testing.assert_allclose(heard[100:], expected[100:], atol=1e-3)


def test_lost_blocks_are_counted(sound_card):
    card = sound_card()
    card.lost = {2, 5}
    with Microphone(16_000) as microphone:
        list(itertools.islice(microphone, 10))
    assert microphone.lost_blocks == 2


def test_an_unplugged_device_says_so(sound_card):
    sound_card()
    with Microphone(16_000, device=3) as microphone:
        blocks = iter(microphone)
        with pytest.raises(MicrophoneError, match=r"microphone 3 has stopped \(Device"):
            list(blocks)


@pytest.mark.parametrize(
    ("rates_hz", "device", "came"),
    [((), None, "Error querying device"), ((8_000,), "none such", "No input device")],
)
def test_no_such_device_says_how_to_list_them(sound_card, rates_hz, device, came):
    sound_card(rates_hz)
    with pytest.raises(MicrophoneError, match=f"{came}.*python -m sounddevice"):
        Microphone(16_000, device)


def test_without_sounddevice_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MicrophoneError, match=r"pip install \"cry-tf\[microphone\]\""):
        Microphone(16_000)


def test_without_portaudio_the_package_is_named(monkeypatch, tmp_path):
    content = 'raise OSError("PortAudio library not found")'
    (tmp_path / "sounddevice.py").write_text(content)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MicrophoneError, match="apt install libportaudio2"):
        Microphone(16_000)


def test_a_rate_of_zero_is_refused():
    with pytest.raises(ValueError, match="sample_rate_hz=0|Received: 0"):
        Microphone(0)
