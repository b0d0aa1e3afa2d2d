"""What a recorder and a codec leave in a recording, whatever sounds in it.

Level, noise floor, bandwidth and the like say how a clip was recorded. A label that
can be told from them alone can be learned from them alone.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cry_tf.data import sound_source
from cry_tf.data.clip import Clip, LabelledClips
from cry_tf.data.embedding_shelf import Shelf, measured

# A change of what is computed takes another number, and other cache entries.
_VERSION = 1
# The beginning of a long recording shows its recorder.
MAX_SECONDS = 30.0
HIGHEST_HZ = 20_000.0
LOWEST_HZ = 50.0
_WINDOW_S = 0.032
# One frame in ten is quieter than the noise floor: a pause, where there is one.
_FLOOR_PERCENTILE = 10.0
# Nothing that a 16-bit file holds is quieter, but what a codec leaves out.
_EMPTY_DBFS = -110.0
# The bandwidth ends where the spectrum stays this far below its highest level.
_EDGE_DB = 50.0
_STEP_HZ = 250.0

_SHARED = ("level_dbfs", "peak_dbfs", "clipped_log10", "floor_dbfs", "empty_share")
_OF_THE_FILE = ("rate_octaves", "bandwidth_octaves", "edge_db", "dc_dbfs")


@dataclass(frozen=True)
class ChannelFeatures:
    """What the recorders left in the clips of a data set.

    Attributes:
        recorded: Float32 `(clips, features)` of the files as they are, in the order
            of `names(None)`.
        limited: Float32 `(clips, features)` of what lies below `limit_hz`, in the
            order of `names(limit_hz)`.
        limit_hz: The highest frequency that a model gets, Hz.
    """

    recorded: np.ndarray
    limited: np.ndarray
    limit_hz: float

    def subset(self, places: np.ndarray) -> ChannelFeatures:
        """Returns the features of the clips at these places."""
        return ChannelFeatures(
            self.recorded[places], self.limited[places], self.limit_hz
        )


def names(limit_hz: float | None) -> tuple[str, ...]:
    """Returns the names of the features, in their order.

    Args:
        limit_hz: Highest frequency that is looked at, Hz; None for those of the file
            as it is.
    """
    bands = [f"floor_{low:.0f}_to_{high:.0f}_hz_db" for low, high in _bands(limit_hz)]
    return (*_SHARED, *bands, *(() if limit_hz else _OF_THE_FILE))


def measure_channel(
    waveform: np.ndarray, sample_rate_hz: int, limit_hz: float
) -> np.ndarray:
    """Measures what the recorder left in one recording.

    Args:
        waveform: Float array `(samples,)` in [-1, 1] at its own rate, at least one
            sample. Of a longer one the first 30 s count.
        sample_rate_hz: Its own rate, Hz.
        limit_hz: Highest frequency that a model gets, Hz, more than 100.

    Returns:
        Float32 `(features,)`, finite: those of `names(None)`, then those of
        `names(limit_hz)`. Of silence every level is the lowest, -140 dBFS.
    """
    waveform = waveform[: max(1, round(MAX_SECONDS * sample_rate_hz))]
    offset = float(waveform.mean())
    power, frequencies_hz = _power(waveform - offset, sample_rate_hz)
    level = np.abs(waveform)
    peak = float(level.max())
    # A wave that was cut off stays at its highest value, at full scale or below.
    at_peak = float((level >= 0.995 * peak).mean())
    shared = (_dbfs(peak**2), math.log10(at_peak))
    edge_hz, drop_db = _edge(power.mean(axis=0), frequencies_hz)
    found = [
        *_levels(power, frequencies_hz, None, shared),
        math.log2(sample_rate_hz),
        math.log2(edge_hz),
        drop_db,
        _dbfs(offset**2),
        *_levels(power, frequencies_hz, limit_hz, shared),
    ]
    return np.array(found, np.float32)


def _levels(
    power: np.ndarray,
    frequencies_hz: np.ndarray,
    limit_hz: float | None,
    shared: tuple[float, float],
) -> list[float]:
    """Returns level, floor and emptiness up to a frequency, and the floor of bands."""
    top_hz = HIGHEST_HZ if limit_hz is None else limit_hz
    inside = power[:, (frequencies_hz >= LOWEST_HZ) & (frequencies_hz < top_hz)]
    frames = inside.sum(axis=1)
    floor = _dbfs(np.percentile(frames, _FLOOR_PERCENTILE))
    empty = float((inside <= 10 ** (_EMPTY_DBFS / 10)).mean()) if inside.size else 1.0
    found = [_dbfs(frames.mean()), *shared, floor, empty]
    for low, high in _bands(limit_hz):
        band = power[:, (frequencies_hz >= low) & (frequencies_hz < high)].sum(axis=1)
        found.append(_dbfs(np.percentile(band, _FLOOR_PERCENTILE)) - floor)
    return found


def _bands(limit_hz: float | None) -> list[tuple[float, float]]:
    """Returns half octaves from the limit down."""
    high, bands = HIGHEST_HZ if limit_hz is None else limit_hz, []
    while high > 2 * LOWEST_HZ:
        bands.append((high / math.sqrt(2), high))
        high /= math.sqrt(2)
    return bands[::-1]


def _power(waveform: np.ndarray, rate_hz: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the power of each frame and bin, and the frequency of each bin.

    The bins of a frame add up to its mean square, windowed: a full-scale sine is
    -3 dBFS at every rate.
    """
    from scipy import fft

    length = max(8, round(_WINDOW_S * rate_hz))
    padded = np.pad(waveform, (0, max(0, length - len(waveform))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, length)
    window = np.hanning(length).astype(np.float32)
    spectrum: np.ndarray = fft.rfft(frames[:: length // 2] * window, axis=1)  # type: ignore[assignment]
    power = np.abs(spectrum) ** 2 * (2 / (length * np.sum(window**2)))
    return power, np.fft.rfftfreq(length, 1 / rate_hz)


def _edge(mean: np.ndarray, frequencies_hz: np.ndarray) -> tuple[float, float]:
    """Returns where the spectrum ends, Hz, and by how many dB it falls in 500 Hz."""
    steps = (frequencies_hz // _STEP_HZ).astype(int)
    sums, counts = np.bincount(steps, mean), np.bincount(steps)
    levels = np.array([_dbfs(each) for each in sums / np.maximum(counts, 1)])
    lowest = max(float(levels.max()) - _EDGE_DB, _EMPTY_DBFS)
    wide = np.flatnonzero(levels > lowest)
    last = int(wide[-1]) if len(wide) else 0
    beyond = levels[min(last + 2, len(levels) - 1)]
    return (last + 1) * _STEP_HZ, float(levels[last] - beyond)


def _dbfs(power: float) -> float:
    return 10 * math.log10(max(float(power), 1e-14))


def compute(
    dataset: LabelledClips,
    cache_dir: Path,
    limit_hz: float,
    tell: Callable[[], None] = lambda: None,
) -> ChannelFeatures:
    """Measures every clip, from the cache where its file was measured before.

    Args:
        dataset: Clips that can be decoded.
        cache_dir: Where results are kept, by the content of each file.
        limit_hz: Highest frequency that a model gets, Hz.
        tell: Called after each clip.

    Raises:
        OSError: If a clip cannot be decoded.
    """
    of_file, of_band = names(None), names(limit_hz)
    about = json.dumps([_VERSION, MAX_SECONDS, limit_hz, of_file, of_band])
    digest = hashlib.sha256(about.encode()).hexdigest()[:16]
    shelf = Shelf(cache_dir / f"channel-{digest}")

    def measure(clip: Clip) -> np.ndarray:
        waveform, rate_hz, _ = sound_source.read_native(clip.path, MAX_SECONDS)
        return measure_channel(waveform, rate_hz, limit_hz)[None]

    values = np.concatenate(measured(shelf, dataset.clips, measure, tell))
    return ChannelFeatures(
        values[:, : len(of_file)], values[:, len(of_file) :], limit_hz
    )
