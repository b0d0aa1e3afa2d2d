"""What narrow-band coding and a bad connection do to a sound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from cry_lite.sound_file import resample
from cry_tf.augment.transform import Transform, check_range

Coding = Literal["mu_law", "block"]

_FRAME_S = 0.020  # of GSM, AMR and Opus
_BLOCK_S = 0.005
_FALL_PER_LOST_FRAME = 0.7
_MU = 255.0  # ITU-T G.711
_FEWEST_SAMPLES = 32


class Coded(NamedTuple):
    """How a sound is coded.

    Attributes:
        coding_rate_hz: Sample rate at which it is coded, Hz.
        coding: `mu_law` quantizes each sample on a logarithmic scale as G.711
            does; `block` quantizes blocks of 5 ms evenly, each on the scale of
            its peak, as adaptive PCM does in effect.
        bits: Bits of one sample.
        lost_share: Probability that a frame of 20 ms is lost.
        seed: Draws which.
    """

    coding_rate_hz: int
    coding: Coding
    bits: int
    lost_share: float
    seed: int


@dataclass(frozen=True)
class CodecLike(Transform[Coded]):
    """Degrades a sound as speech coding does, without being a codec.

    The sound is taken down to a low sample rate, quantized coarsely, loses
    frames, and comes back. A lost frame is filled with the last one that
    arrived, 3 dB softer for each in a row. It resembles the band, the noise and
    the drop-outs of AMR, GSM or ADPCM; the linear prediction of AMR and its
    artefacts are not modelled. The length stays.

    Args:
        coding_rates_hz: Sample rates, Hz, drawn from evenly. One at or above the
            waveform's takes nothing off its band.
        min_mu_law_bits: Fewest bits of a sample in mu-law, at least 4.
        max_mu_law_bits: Most, at most 8 (G.711).
        min_block_bits: Fewest bits of a sample in blocks, at least 2.
        max_block_bits: Most, at most 8.
        max_lost_share: Largest probability that a frame is lost, in [0, 0.5].

    Raises:
        ValueError: If an argument breaks its rule.
    """

    coding_rates_hz: tuple[int, ...] = (8_000,)
    min_mu_law_bits: int = 5
    max_mu_law_bits: int = 8
    min_block_bits: int = 3
    max_block_bits: int = 6
    max_lost_share: float = 0.03

    def __post_init__(self) -> None:
        """Checks the ranges."""
        object.__setattr__(self, "coding_rates_hz", tuple(self.coding_rates_hz))
        if not self.coding_rates_hz or min(self.coding_rates_hz) < 4_000:
            raise ValueError(
                "coding_rates_hz must name rates of at least 4000 Hz. Received: "
                f"coding_rates_hz={self.coding_rates_hz}."
            )
        check_range("mu_law_bits", self.min_mu_law_bits, self.max_mu_law_bits, 4, 8)
        check_range("block_bits", self.min_block_bits, self.max_block_bits, 2, 8)
        if not 0 <= self.max_lost_share <= 0.5:
            raise ValueError(
                "max_lost_share must be in [0, 0.5]. Received: "
                f"max_lost_share={self.max_lost_share}."
            )

    def draw(
        self, rng: np.random.Generator, samples: int, sample_rate_hz: int
    ) -> Coded:
        """Draws a coding."""
        coding_rate_hz = int(rng.choice(self.coding_rates_hz))
        coding: Coding = "mu_law" if rng.random() < 0.5 else "block"
        if coding == "mu_law":
            bits = rng.integers(self.min_mu_law_bits, self.max_mu_law_bits + 1)
        else:
            bits = rng.integers(self.min_block_bits, self.max_block_bits + 1)
        return Coded(
            coding_rate_hz,
            coding,
            int(bits),
            lost_share=float(rng.uniform(0, self.max_lost_share)),
            seed=int(rng.integers(2**63)),
        )

    def change(
        self, sound: np.ndarray, sample_rate_hz: int, parameters: Coded
    ) -> np.ndarray:
        """Returns the sound as it comes out; under 32 samples it stays."""
        if len(sound) < _FEWEST_SAMPLES:
            return sound.copy()
        rate_hz = min(parameters.coding_rate_hz, sample_rate_hz)
        coded = resample(sound, sample_rate_hz, rate_hz).clip(-1, 1)
        if parameters.coding == "mu_law":
            coded = quantize_mu_law(coded, parameters.bits)
        else:
            block = max(1, round(_BLOCK_S * rate_hz))
            coded = quantize_blocks(coded, parameters.bits, block)
        frame = round(_FRAME_S * rate_hz)
        frames = -(-len(coded) // frame)
        is_lost = np.random.default_rng(parameters.seed).random(frames)
        coded = lose_frames(coded, is_lost < parameters.lost_share, frame)
        recorded = resample(coded, rate_hz, sample_rate_hz)[: len(sound)]
        # Rounding twice can cost a sample.
        return np.pad(recorded, (0, len(sound) - len(recorded)), mode="edge")


def quantize_mu_law(sound: np.ndarray, bits: int) -> np.ndarray:
    """Rounds samples on G.711's continuous mu-law scale; zero stays zero.

    Args:
        sound: Float32 `(samples,)` in [-1, 1].
        bits: Bits of a sample: `2**bits - 1` values, as many negative as
            positive.
    """
    steps = np.float32(2 ** (bits - 1) - 1)
    scaled = np.log1p(np.float32(_MU) * np.abs(sound)) / np.float32(np.log1p(_MU))
    rounded = np.round(scaled * steps) / steps
    values = np.expm1(rounded * np.float32(np.log1p(_MU))) / np.float32(_MU)
    return np.copysign(values, sound).astype(np.float32)


def quantize_blocks(sound: np.ndarray, bits: int, block: int) -> np.ndarray:
    """Rounds samples evenly, each block on the scale of its own peak.

    Args:
        sound: Float32 `(samples,)`.
        bits: Bits of a sample: `2**bits - 1` values. A silent block stays silent.
        block: Samples of a block.
    """
    padded = np.pad(sound, (0, -len(sound) % block)).reshape(-1, block)
    steps = np.float32(2 ** (bits - 1) - 1)
    peaks = np.abs(padded).max(axis=1, keepdims=True)
    # A peak under the least normal number is silence, and its inverse infinite.
    scales = np.where(peaks > np.finfo(np.float32).tiny, peaks, np.float32(1))
    return (np.round(padded / scales * steps) / steps * scales).reshape(-1)[
        : len(sound)
    ]


def lose_frames(sound: np.ndarray, is_lost: np.ndarray, frame: int) -> np.ndarray:
    """Fills lost frames with the last one that arrived, ever softer.

    Args:
        sound: Float32 `(samples,)`.
        is_lost: Bool `(frames,)`. The first frame always arrives.
        frame: Samples of a frame.
    """
    is_lost = np.concatenate(([False], is_lost[1:]))
    if not is_lost.any():
        return sound
    number = np.arange(len(is_lost))
    source = np.maximum.accumulate(np.where(is_lost, 0, number))
    padded = np.pad(sound, (0, len(is_lost) * frame - len(sound)))
    softer = (_FALL_PER_LOST_FRAME ** (number - source)).astype(np.float32)
    frames = padded.reshape(-1, frame)[source] * softer[:, None]
    return frames.reshape(-1)[: len(sound)]
