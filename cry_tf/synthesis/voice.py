"""A voice from a glottal source and a vocal tract, for infants and adults.

The source is a sum of harmonics of a Rosenberg pulse, so it is band-limited at
any pitch; the tract is a cascade of resonances. Because the source is a sum of
harmonics, the resonances act on each harmonic by a gain and may move freely
in time, which a recursive filter would not allow without clicks.

References:
    Rosenberg, 1971, Effect of glottal pulse shape on the quality of natural
    vowels (the pulse); Fant, 1960, Acoustic theory of speech production (source
    and filter); Golub and Corwin, 1985, A physioacoustic model of the infant cry
    (the same split for infants).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

SAMPLE_RATE_HZ = 16_000
"""Rate of every synthetic waveform, Hz."""

CONTROL_SAMPLES = 80
"""Resonances are given once per so many samples (5 ms)."""

_HIGHEST_HARMONIC_HZ = 7_800.0
_NOISE_FRAME = 256


@lru_cache(maxsize=64)
def pulse_harmonics(open_quotient: float, harmonics: int) -> np.ndarray:
    """Returns the Fourier coefficients of the derivative of a Rosenberg pulse.

    The derivative of the flow is what radiates from the lips. Its harmonics
    fall by about 6 dB an octave, as the flow closes abruptly.

    Args:
        open_quotient: Float in (0, 1], part of the period with open folds.
        harmonics: How many coefficients, starting at the fundamental.

    Returns:
        Complex64 `(harmonics,)`, scaled so that their squares sum to 1.
    """
    period = np.arange(4096) / 4096
    opening, closing = 0.7 * open_quotient, 0.3 * open_quotient
    flow = np.where(
        period < opening,
        0.5 - 0.5 * np.cos(np.pi * period / opening),
        np.cos(0.5 * np.pi * np.clip((period - opening) / closing, 0, 1)),
    )
    coefficients = np.fft.rfft(flow)[1 : harmonics + 1]
    coefficients = coefficients * (1j * np.arange(1, harmonics + 1))
    coefficients /= np.sqrt(np.sum(np.abs(coefficients) ** 2))
    return coefficients.astype(np.complex64)


def vocal_tract(
    frequencies_hz: np.ndarray, formants_hz: np.ndarray, bandwidths_hz: np.ndarray
) -> np.ndarray:
    """Returns the response of a cascade of resonances, 1 at 0 Hz.

    The resonances above those given are not left out: their sum is Fant's
    higher-pole correction, for a tube whose last given resonance is an odd
    multiple of its first.

    Args:
        frequencies_hz: Float `(frames, bins)`, where the response is wanted.
        formants_hz: Float `(frames, formants)`, centres, Hz.
        bandwidths_hz: Float `(formants,)`, widths at -3 dB, Hz.

    Returns:
        Complex64 `(frames, bins)`.
    """
    frequencies = frequencies_hz.astype(np.float32)
    response = np.ones(frequencies.shape, np.complex64)
    squared = frequencies**2
    for index, bandwidth in enumerate(bandwidths_hz):
        natural = formants_hz[:, index : index + 1].astype(np.float32) ** 2
        natural = natural + np.float32(bandwidth / 2) ** 2
        response *= natural / (
            natural - squared + np.complex64(1j * bandwidth) * frequencies
        )
    count = len(bandwidths_hz)
    rest = np.pi**2 / 8 - np.sum(1 / (2 * np.arange(count) + 1.0) ** 2)
    quarter = formants_hz[:, -1:].astype(np.float32) / (2 * count - 1)
    in_band = np.minimum(squared, np.float32(SAMPLE_RATE_HZ / 2) ** 2)
    return response * np.exp(np.float32(rest) * in_band / quarter**2)


def control_frames(samples: int) -> int:
    """Returns how many control frames cover `samples` (both ends included)."""
    return -(-samples // CONTROL_SAMPLES) + 1


def _at_samples(frames: np.ndarray, ramp: np.ndarray) -> np.ndarray:
    """Interpolates control frames `(frames,)` to `((frames - 1) * hop,)`."""
    start, step = frames[:-1, None], np.diff(frames)[:, None]
    return (start + step * ramp).reshape(-1)


def voiced(
    f0_hz: np.ndarray,
    formants_hz: np.ndarray,
    bandwidths_hz: np.ndarray,
    *,
    tilt_hz: float,
    open_quotient: float = 0.6,
    subharmonics: np.ndarray | None = None,
) -> np.ndarray:
    """Sings a pitch contour through moving resonances.

    Args:
        f0_hz: Float `(samples,)`, fundamental frequency at every sample, Hz.
        formants_hz: Float `(control_frames(samples), formants)`, Hz.
        bandwidths_hz: Float `(formants,)`, Hz.
        tilt_hz: Above it the source falls by a further 6 dB an octave: low for
            a soft voice, high for a pressed one.
        open_quotient: Float in (0, 1], see `pulse_harmonics`.
        subharmonics: Float `(samples,)` in [0, 1] or None, amplitude of the
            harmonics of half the fundamental (period doubling).

    Returns:
        Float32 `(samples,)`, not normalised.
    """
    samples = len(f0_hz)
    if samples == 0:
        return np.zeros(0, np.float32)
    frames = control_frames(samples)
    phase = 2 * np.pi * np.cumsum(f0_hz.astype(np.float64)) / SAMPLE_RATE_HZ
    f0_frames = np.interp(
        np.arange(frames) * CONTROL_SAMPLES, np.arange(samples), f0_hz
    )
    ramp = (np.arange(CONTROL_SAMPLES) / CONTROL_SAMPLES).astype(np.float32)
    count = max(1, int(_HIGHEST_HARMONIC_HZ / max(f0_hz.min(), 20.0)))
    pulse = pulse_harmonics(open_quotient, 256)[:count]

    total = _harmonics(
        phase, f0_frames, 1.0, pulse, formants_hz, bandwidths_hz, tilt_hz, ramp
    )
    if subharmonics is not None and subharmonics.any():
        between = _harmonics(
            phase, f0_frames, 0.5, pulse, formants_hz, bandwidths_hz, tilt_hz, ramp
        )
        total += between * subharmonics.astype(np.float32)
    return total


def _harmonics(
    phase, f0_frames, first, pulse, formants_hz, bandwidths_hz, tilt_hz, ramp
):
    """Sums the harmonics at `first`, `first + 1`, ... times the fundamental."""
    orders = first + np.arange(len(pulse))
    frequencies = np.outer(f0_frames, orders)
    gains = vocal_tract(frequencies, formants_hz, bandwidths_hz) * pulse
    gains /= 1 + 1j * (frequencies / tilt_hz).astype(np.float32)
    # Harmonics leave softly near the end of the band, so that none aliases.
    gains *= np.clip((_HIGHEST_HARMONIC_HZ - frequencies) / 400, 0, 1)
    gains = gains.astype(np.complex64)

    samples = len(phase)
    turn = np.exp(1j * phase).astype(np.complex64)
    carrier = np.exp(1j * first * phase).astype(np.complex64)
    total = np.zeros(samples, np.float32)
    for index in range(len(pulse)):
        gain = gains[:, index]
        if not gain.any():
            break
        real = _at_samples(gain.real, ramp)[:samples]
        imag = _at_samples(gain.imag, ramp)[:samples]
        total += real * carrier.real - imag * carrier.imag
        carrier *= turn
    return total


def turbulence(
    rng: np.random.Generator,
    samples: int,
    formants_hz: np.ndarray,
    bandwidths_hz: np.ndarray,
) -> np.ndarray:
    """Blows white noise through the tract (breath, aspiration, hoarseness).

    Args:
        rng: Source of the noise.
        samples: Length of the result.
        formants_hz: Float `(control_frames(samples), formants)`, Hz.
        bandwidths_hz: Float `(formants,)`, Hz.

    Returns:
        Float32 `(samples,)`, not normalised.
    """
    hop = _NOISE_FRAME // 2
    count = -(-samples // hop) + 1
    spectrum = np.fft.rfft(
        rng.standard_normal((count, _NOISE_FRAME), dtype=np.float32), axis=1
    )
    bins_hz = np.fft.rfftfreq(_NOISE_FRAME, 1 / SAMPLE_RATE_HZ)
    nearest = np.minimum(
        np.arange(count) * hop // CONTROL_SAMPLES, len(formants_hz) - 1
    )
    bins = np.broadcast_to(bins_hz, (count, len(bins_hz)))
    spectrum *= vocal_tract(bins, formants_hz[nearest], bandwidths_hz)
    # Breath radiates from the lips like the voice: 6 dB an octave upwards.
    spectrum *= bins_hz / 2_000
    window = np.sin(np.pi * (np.arange(_NOISE_FRAME) + 0.5) / _NOISE_FRAME)
    frames = np.fft.irfft(spectrum, _NOISE_FRAME, axis=1) * window
    out = np.zeros((count + 1, hop))
    out[:-1] += frames[:, :hop]
    out[1:] += frames[:, hop:]
    return out.reshape(-1)[:samples].astype(np.float32)
