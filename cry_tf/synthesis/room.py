"""Rooms and microphones that change a synthetic sound as a recording does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cry_tf.synthesis.voice import SAMPLE_RATE_HZ


def shape_spectrum(waveform: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Multiplies the spectrum of a whole waveform by a gain.

    Args:
        waveform: Float `(samples,)`.
        gain: Float or complex `(bins,)`, spread evenly from 0 to 8000 Hz and
            interpolated in between.

    Returns:
        Float32 `(samples,)`.
    """
    samples = len(waveform)
    spectrum = np.fft.rfft(waveform)
    bins = np.linspace(0, len(gain) - 1, len(spectrum))
    spectrum *= np.interp(bins, np.arange(len(gain)), gain)
    return np.fft.irfft(spectrum, samples).astype(np.float32)


def convolve(waveform: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Convolves with an impulse response and keeps the waveform's length."""
    length = 1 << (len(waveform) + len(response) - 1).bit_length()
    spectrum = np.fft.rfft(waveform, length) * np.fft.rfft(response, length)
    return np.fft.irfft(spectrum, length)[: len(waveform)].astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Home:
    """The room and the recording device that every sound of one group shares.

    Attributes:
        name: Name of the group, such as `synthetic_home_07`.
        seed: Integer from which the home's appliances get their character.
        reverberation_s: Time in which the room's sound falls by 60 dB.
        wetness: Amplitude of the reflections beside the direct sound.
        low_cut_hz: Lower edge of the microphone, -3 dB.
        high_cut_hz: Upper edge of the microphone, -3 dB.
        tilt_db: Rise (or fall) of the microphone from 100 Hz to 8 kHz.
        noise_db: Level of the device's own noise, dB re full scale.
    """

    name: str
    seed: int
    reverberation_s: float = 0.3
    wetness: float = 0.3
    low_cut_hz: float = 100.0
    high_cut_hz: float = 7_000.0
    tilt_db: float = 0.0
    noise_db: float = -65.0

    @classmethod
    def draw(cls, name: str, rng: np.random.Generator) -> Home:
        """Draws a home; the same state of `rng` gives the same home."""
        return cls(
            name=name,
            seed=int(rng.integers(2**31)),
            reverberation_s=float(rng.uniform(0.12, 0.5)),
            wetness=float(rng.uniform(0.05, 0.6)),
            low_cut_hz=float(np.exp(rng.uniform(np.log(40), np.log(250)))),
            high_cut_hz=float(rng.choice([3_600, 5_500, 6_500, 7_500, 7_500])),
            tilt_db=float(rng.normal(0, 3)),
            noise_db=float(rng.uniform(-75, -50)),
        )

    def reverberate(self, waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Puts a dry sound somewhere in the room.

        Args:
            waveform: Float `(samples,)`, dry.
            rng: Draws the place: each call is a new one.

        Returns:
            Float32 `(samples,)`, the direct sound first.
        """
        samples = int(self.reverberation_s * SAMPLE_RATE_HZ)
        time_s = np.arange(samples) / SAMPLE_RATE_HZ
        tail = rng.standard_normal(samples) * 10 ** (-3 * time_s / self.reverberation_s)
        # Walls swallow high frequencies more: the tail is duller than the sound.
        tail[1:] += 0.6 * tail[:-1]
        tail[: int(rng.uniform(0.001, 0.006) * SAMPLE_RATE_HZ)] = 0
        energy = np.sqrt(np.sum(tail**2)) + 1e-12
        response = tail * (self.wetness * rng.uniform(0.6, 1.4) / energy)
        response[0] = 1
        return convolve(waveform, response)

    def record(
        self, waveform: np.ndarray, peak_db: float, rng: np.random.Generator
    ) -> np.ndarray:
        """Records a sound with the home's device.

        Args:
            waveform: Float `(samples,)`, as it arrives at the microphone.
            peak_db: Level of the loudest sample, dB re full scale, < 0.
                Silence stays silent but for the device's noise.
            rng: Source of the device's noise.

        Returns:
            Float32 `(samples,)` within (-1, 1): never clipped.
        """
        hz = np.linspace(0, SAMPLE_RATE_HZ / 2, 257)
        octaves = np.log2(np.maximum(hz, 100) / 100)
        gain = 10 ** (self.tilt_db * octaves / np.log2(80) / 20)
        gain *= hz**2 / (hz**2 + self.low_cut_hz**2)
        gain /= np.sqrt(1 + (hz / self.high_cut_hz) ** 16)
        sound = shape_spectrum(waveform, gain)
        loudest = float(np.abs(sound).max(initial=0))
        if loudest > 0:
            sound *= 10 ** (peak_db / 20) / loudest
        noise = shape_spectrum(rng.standard_normal(len(sound), dtype=np.float32), gain)
        sound += noise * np.float32(10 ** (self.noise_db / 20))
        return np.clip(sound, -0.999, 0.999)
