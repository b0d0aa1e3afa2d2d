"""The reference log-mel spectrogram, in NumPy.

It says what the numbers of a `FrontEndSpec` mean. The Keras layer and the
`.tflite` are tested against it. The padding at the end of a waveform (see
`cry_lite.padding`) takes no part: nothing here depends on how much there is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cry_lite.mel import mel_matrix
from cry_lite.padding import real_length
from cry_lite.spec import FrontEndSpec

# About what rounding to 16 bits adds to a waveform in [-1, 1]: 2^-15 / sqrt(12).
MIN_DEVIATION = 1e-5


def num_steps(samples: Any, spec: FrontEndSpec) -> Any:
    """Returns how many steps of the time axis so many samples give.

    A step is a patch, or a frame if the spec has no patches. With
    `center=True` there is a frame at every `hop_samples`, the first on sample
    0. Otherwise the first step is always there, and `partial_patch` decides
    about the tail. Pre-emphasis takes one sample beforehand.

    Args:
        samples: Int >= 0, or an integer array or tensor of any framework.
        spec: The numbers of the front end.

    Returns:
        The count, at least 1, of the type of `samples`.

    Raises:
        ValueError: If the spec asks for patches of centred frames, which no
            published network has.
    """
    if spec.pre_emphasis:
        samples = samples - 1
        samples = (samples + abs(samples)) // 2  # max(0, samples), for tensors as well
    if spec.center:
        if spec.patch_frames:
            raise ValueError(
                "center=True takes no patches. Received: "
                f"patch_frames={spec.patch_frames}. Set center=False, or "
                "patch_frames=0 and patch_hop_frames=0."
            )
        return 1 + samples // spec.hop_samples
    beyond = samples - spec.patch_samples
    beyond = (beyond + abs(beyond)) // 2  # max(0, beyond), for tensors as well
    if spec.partial_patch == "pad":
        beyond = beyond + spec.patch_hop_samples - 1
    return 1 + beyond // spec.patch_hop_samples


def z_scored(signal: np.ndarray) -> np.ndarray:
    """Takes a signal's mean from it and divides it by its deviation.

    Args:
        signal: Float array `(samples,)`, without padding; may be empty.

    Returns:
        Array of the same shape with mean 0 and biased deviation 1, whatever the
        loudness was. A deviation under `MIN_DEVIATION` counts as that: silence and
        a constant give zeros.
    """
    if not signal.size:
        return signal
    return (signal - signal.mean()) / max(signal.std(), MIN_DEVIATION)


def fft_window(spec: FrontEndSpec) -> np.ndarray:
    """Returns the spec's Hann window, completed with zeros to the FFT length.

    The zeros follow the window, or stand on both sides of it with
    `center=True`, where the frame is centred on its sample.

    Returns:
        Float64 `(fft_length,)` in [0, 1].
    """
    period = spec.window_samples - (spec.window == "hann_symmetric")
    phase = 2.0 * np.pi * np.arange(spec.window_samples) / period
    zeros = spec.fft_length - spec.window_samples
    before = zeros // 2 if spec.center else 0
    return np.pad(0.5 - 0.5 * np.cos(phase), (before, zeros - before))


def log_mel(waveform: np.ndarray, spec: FrontEndSpec) -> np.ndarray:
    """Returns the log-mel spectrogram of the real part of a waveform.

    Args:
        waveform: Float array `(samples,)` in [-1, 1] at `spec.sample_rate_hz`,
            at least one sample. Its padding is left out; zeros give one step at
            the floor of the spec.
        spec: The numbers of the front end.

    Returns:
        Float32 `(frames, mel_bands)`, dB or nat as the spec says, less its mean
        and divided by its deviation; computed in float64. With patches in the
        spec, all the frames they cover.

    Raises:
        ValueError: If the waveform is empty, not floating point or not mono.
    """
    waveform = np.asarray(waveform)
    if waveform.ndim != 1 or waveform.size == 0 or waveform.dtype.kind != "f":
        raise ValueError(
            "waveform must be a floating-point array of shape (samples,) with at "
            f"least one sample. Received: shape={waveform.shape}, "
            f"dtype={waveform.dtype}. Mix channels down and scale to [-1, 1] first."
        )
    length = real_length(waveform)
    steps = num_steps(length, spec)
    frames = (steps - 1) * max(spec.patch_hop_frames, 1) + max(spec.patch_frames, 1)
    signal = waveform[:length].astype(np.float64)
    if spec.pre_emphasis:
        signal = signal[1:] - spec.pre_emphasis * signal[:-1]
    if spec.z_score:
        signal = z_scored(signal)
    if spec.center:
        half = spec.fft_length // 2
        # A reflection by `half` needs that many samples beside the first.
        signal = np.pad(signal, (0, max(0, half + 1 - len(signal))))
        signal = np.pad(signal, half, mode="reflect")
    needed = (frames - 1) * spec.hop_samples + spec.fft_length
    signal = np.pad(signal, (0, max(0, needed - len(signal))))
    framed = np.lib.stride_tricks.sliding_window_view(signal, spec.fft_length)
    framed = framed[:: spec.hop_samples][:frames]
    spectrum = np.abs(np.fft.rfft(framed * fft_window(spec)))
    if spec.spectrum == "power":
        spectrum = spectrum**2
    mel = spectrum @ mel_matrix(spec).astype(np.float64)
    if spec.log_scale == "db":
        level = 10.0 * np.log10(np.maximum(mel, spec.log_offset))
    else:
        level = np.log(mel + spec.log_offset)
    return ((level - spec.level_mean) / spec.level_std).astype(np.float32)


def patches(waveform: np.ndarray, spec: FrontEndSpec) -> np.ndarray:
    """Cuts the log-mel spectrogram of a waveform into patches.

    Args:
        waveform: As for `log_mel`.
        spec: The numbers of a front end with patches.

    Returns:
        Float32 `(patches, patch_frames, mel_bands)`, at least one patch.

    Raises:
        ValueError: If the spec has no patches, and as `log_mel`.
    """
    if not spec.patch_frames:
        raise ValueError(
            "patches needs a spec with patches. Received: patch_frames=0. Use log_mel."
        )
    frames = log_mel(waveform, spec)
    starts = np.arange(0, len(frames) - spec.patch_frames + 1, spec.patch_hop_frames)
    return np.stack([frames[start : start + spec.patch_frames] for start in starts])
