"""Mel-frequency cepstral coefficients of clips, computed once and kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from cry_lite.log_mel import log_mel
from cry_lite.spec import FrontEndSpec
from cry_tf.data import decoding
from cry_tf.data.clip import Clip
from cry_tf.data.content import content_sha256
from cry_tf.data.dataset import Dataset
from cry_tf.data.embedding_shelf import Shelf

COEFFICIENTS = 20
# A long recording is judged by its beginning: this is a yardstick, not a model.
MAX_SECONDS = 30.0
_HIGHEST_HZ = 8_000.0
_DELTA_REACH = 2


def front_end(cutoff_hz: float | None) -> FrontEndSpec:
    """Returns the front end before the cepstrum: 25 ms windows, 40 mel bands.

    Args:
        cutoff_hz: The last band ends there, Hz; None for 8000. It is what the
            model is kept from hearing, so that the baseline has no shortcut.
    """
    return FrontEndSpec(
        sample_rate_hz=16_000,
        window_samples=400,
        hop_samples=160,
        fft_length=512,
        mel_bands=40,
        min_hz=50.0,
        max_hz=min(cutoff_hz or _HIGHEST_HZ, _HIGHEST_HZ),
        mel_scale="htk",
        spectrum="power",
        log_scale="ln",
        log_offset=1e-3,  # 70 dB below a full-scale tone
        partial_patch="drop",
    )


def mfcc(waveform: np.ndarray, spec: FrontEndSpec) -> np.ndarray:
    """Returns the first cepstral coefficients, level included.

    Args:
        waveform: Float array `(samples,)` at `spec.sample_rate_hz`.
        spec: From `front_end`.

    Returns:
        Float32 `(frames, 20)`: an orthonormal DCT-II over the log-mel bands.
    """
    from scipy.fft import dct

    bands = log_mel(waveform, spec).astype(np.float64)
    coefficients = dct(bands, type=2, norm="ortho", axis=1)
    return np.asarray(coefficients, np.float32)[:, :COEFFICIENTS]


def with_deltas(coefficients: np.ndarray) -> np.ndarray:
    """Appends the slope of each coefficient over five frames, `(frames, 40)`."""
    reach = _DELTA_REACH
    padded = np.pad(coefficients, ((reach, reach), (0, 0)), mode="edge")
    frames = len(coefficients)
    slope = np.zeros_like(coefficients)
    for step in range(1, reach + 1):
        later = padded[reach + step : reach + step + frames]
        slope += step * (later - padded[reach - step : reach - step + frames])
    slope /= 2 * sum(step**2 for step in range(1, reach + 1))
    return np.hstack([coefficients, slope])


def compute(
    dataset: Dataset,
    cache_dir: Path,
    cutoff_hz: float | None,
    tell: Callable[[], None] = lambda: None,
) -> list[np.ndarray]:
    """Returns float32 `(frames, 20)` for each clip, of its first 30 s.

    Args:
        dataset: Clips that can be decoded.
        cache_dir: Where results are kept, by the content of each file.
        cutoff_hz: As in `front_end`.
        tell: Called after each clip.

    Raises:
        OSError: If a clip cannot be decoded.
    """
    spec = front_end(cutoff_hz)
    about = json.dumps([spec.to_dict(), COEFFICIENTS, MAX_SECONDS], sort_keys=True)
    digest = hashlib.sha256(about.encode()).hexdigest()[:16]
    shelf = Shelf(cache_dir / f"mfcc-{digest}")

    def of(clip: Clip) -> np.ndarray:
        key = content_sha256(clip.path)
        found = shelf.load(key)
        if found is None:
            waveform = decoding.read(clip, spec.sample_rate_hz, MAX_SECONDS)
            found = mfcc(waveform, spec)
            shelf.save(key, found)
        return found

    features = []
    for _, found in decoding.ahead(of, dataset.clips):
        if isinstance(found, OSError):
            raise found
        features.append(found)
        tell()
    return features
