"""The mel filter bank of a front end, in NumPy."""

from __future__ import annotations

import numpy as np

from cry_lite.spec import FrontEndSpec

# Slaney's Auditory Toolbox (1998): linear below 1 kHz, 27 steps of log(6.4) above.
_SLANEY_HZ_PER_MEL = 200.0 / 3.0
_SLANEY_CORNER_HZ = 1000.0
_SLANEY_CORNER_MEL = _SLANEY_CORNER_HZ / _SLANEY_HZ_PER_MEL
_SLANEY_LOG_STEP = np.log(6.4) / 27.0

# O'Shaughnessy (1987), as in HTK and TensorFlow.
_HTK_CORNER_HZ = 700.0
_HTK_SCALE = 1127.0


def mel_matrix(spec: FrontEndSpec) -> np.ndarray:
    """Returns the matrix that sums the bins of a spectrum into mel bands.

    `slaney` equals `librosa.filters.mel`, `htk` equals
    `tf.signal.linear_to_mel_weight_matrix`. Bins above `spec.cutoff_hz` have
    no weight, so a band that lies above it is all zeros.

    Args:
        spec: The numbers of the front end.

    Returns:
        Float32 `(fft_length // 2 + 1, mel_bands)`, not negative; computed in
        float64.
    """
    bin_hz = np.arange(spec.fft_length // 2 + 1) * spec.sample_rate_hz / spec.fft_length
    if spec.mel_scale == "slaney":
        weights = _slaney_triangles(bin_hz, spec)
    else:
        weights = _htk_triangles(bin_hz, spec)
    if spec.cutoff_hz is not None:
        weights[bin_hz > spec.cutoff_hz] = 0.0
    return weights.astype(np.float32)


def _slaney_triangles(bin_hz: np.ndarray, spec: FrontEndSpec) -> np.ndarray:
    low, high = _hz_to_slaney(np.array([spec.min_hz, spec.max_hz]))
    edges_hz = _slaney_to_hz(np.linspace(low, high, spec.mel_bands + 2))
    area = (edges_hz[2:] - edges_hz[:-2]) / 2.0
    return _triangles(bin_hz, edges_hz) / area


def _htk_triangles(bin_hz: np.ndarray, spec: FrontEndSpec) -> np.ndarray:
    low, high = _hz_to_htk(np.array([spec.min_hz, spec.max_hz]))
    edges_mel = np.linspace(low, high, spec.mel_bands + 2)
    weights = _triangles(_hz_to_htk(bin_hz), edges_mel)
    weights[0] = 0.0  # TensorFlow leaves the DC bin out.
    return weights


def _triangles(points: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Returns triangles of peak 1 over `edges`, sampled at `points`."""
    left, peak, right = edges[:-2], edges[1:-1], edges[2:]
    rising = (points[:, None] - left) / (peak - left)
    falling = (right - points[:, None]) / (right - peak)
    return np.maximum(0.0, np.minimum(rising, falling))


def _hz_to_slaney(hz: np.ndarray) -> np.ndarray:
    above = np.log(np.maximum(hz, _SLANEY_CORNER_HZ) / _SLANEY_CORNER_HZ)
    return np.where(
        hz < _SLANEY_CORNER_HZ,
        hz / _SLANEY_HZ_PER_MEL,
        _SLANEY_CORNER_MEL + above / _SLANEY_LOG_STEP,
    )


def _slaney_to_hz(mel: np.ndarray) -> np.ndarray:
    return np.where(
        mel < _SLANEY_CORNER_MEL,
        mel * _SLANEY_HZ_PER_MEL,
        _SLANEY_CORNER_HZ * np.exp(_SLANEY_LOG_STEP * (mel - _SLANEY_CORNER_MEL)),
    )


def _hz_to_htk(hz: np.ndarray) -> np.ndarray:
    return _HTK_SCALE * np.log1p(hz / _HTK_CORNER_HZ)
