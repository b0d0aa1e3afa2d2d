"""When clips were recorded, which tells near-copies apart from repetitions.

Clips of one infant that were recorded within minutes of one another share the
cry, the room and the label. A model that was trained on one of them recognises the
other, which says nothing of new recordings.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence

import numpy as np

from cry_tf.data.clip import Clip
from cry_tf.data.dataset import Dataset
from cry_tf.data.grouping import known_source, plural

COLUMNS = ("time", "recorded_at", "timestamp")
# Of the two clips nearest in time of a donateacry device: most are closer than this.
SIBLING_MINUTES = 2.0

_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", re.ASCII)
_UNKNOWN = {"nan", "nat", "none", "null", "na", "n/a"}
_UNITS = (1, 10**3, 10**6, 10**9)  # seconds, milli-, micro-, nanoseconds
_EARLIEST_S = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC).timestamp()
_LATEST_S = datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC).timestamp()

# After the device's id: seconds since 1970, or milliseconds from Android.
_DONATEACRY_TIME = re.compile(r".{36}[-_.](\d{10}|\d{13})(?=\D|$)")


def recording_times(dataset: Dataset, column: str | None = None) -> np.ndarray:
    """Returns when each clip was recorded.

    Args:
        dataset: The clips.
        column: Column of the manifest with ISO 8601 (UTC where it names no zone), or
            seconds, milli-, micro- or nanoseconds since 1970; a value tells by its
            size which. None takes the first of `time`, `recorded_at` and `timestamp`
            that there is, and then the names of donateacry.

    Returns:
        Float64 `(clips,)`, seconds since 1970, NaN where unknown.

    Raises:
        ValueError: If `column` is missing, or a value cannot be read, names a day
            without a time, or lies outside of the years 2000 to 2100.
    """
    return np.array([_time_s(clip, column) for clip in dataset.clips], np.float64)


def are_siblings(times_s: np.ndarray, minutes: float) -> np.ndarray:
    """Returns which clips were recorded within some minutes of one another.

    Args:
        times_s: Float array `(clips,)`, NaN where unknown.
        minutes: At least 0.

    Returns:
        Bool `(clips, clips)`, False on the diagonal and where a time is unknown.

    Raises:
        ValueError: If `minutes` is negative or not a number.
    """
    if not minutes >= 0:
        raise ValueError(f"minutes must be at least 0. Received: minutes={minutes!r}.")
    apart_s = np.abs(times_s[:, None] - times_s[None, :])
    found = apart_s <= 60 * minutes  # a comparison with NaN is False
    np.fill_diagonal(found, False)
    return found


def time_sentence(times_s: Sequence[float] | np.ndarray) -> str:
    """Warns of clips without a known time; empty if there is none."""
    unknown = int(np.isnan(times_s).sum())
    if not unknown:
        return ""
    return (
        f"When {plural(unknown, 'clip')} of {len(times_s)} "
        f"{'was' if unknown == 1 else 'were'} recorded is not known: near-copies among "
        "them cannot be left out, and the figures may be too good. Name the time in a "
        "column 'time' of a manifest."
    )


def _time_s(clip: Clip, column: str | None) -> float:
    if column is not None and column not in clip.columns:
        raise ValueError(
            f"The time column must be a column of the manifest. Received: {column!r}; "
            f"{clip.name} has {', '.join(map(repr, clip.columns)) or 'no columns'}."
        )
    names = (column,) if column is not None else COLUMNS
    for name in names:
        if text := clip.columns.get(name, "").strip():
            return _parsed(text, name, clip)
    found = known_source(clip.path.stem)
    if column is None and found is not None and found[0] == "donateacry":
        match = _DONATEACRY_TIME.match(clip.path.stem)
        if match is not None:
            return float(match[1]) / (1000 if len(match[1]) == 13 else 1)
    return np.nan


def _parsed(text: str, name: str, clip: Clip) -> float:
    rule = (
        f"The column {name!r} must hold ISO 8601 (2026-05-01T13:45:00), or seconds or "
        f"milliseconds since 1970. Received: {text!r} for {clip.name}"
    )
    if _NUMBER.fullmatch(text):
        for per_second in _UNITS:
            if _EARLIEST_S <= float(text) / per_second < _LATEST_S:
                return float(text) / per_second
        # A day as a number (20260501), or of a spreadsheet (46143.57), seconds of
        # the day or of a session: minutes between two of them would be wrong.
        raise ValueError(f"{rule}, which is none of these from 2000 to 2100.")
    if text.lower() in _UNKNOWN:
        return np.nan
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{rule}.") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    if not re.search(r"\d[T ]\d", text):
        raise ValueError(f"{rule}, a day without its time.")
    if not _EARLIEST_S <= moment.timestamp() < _LATEST_S:
        raise ValueError(f"{rule}, which is not from 2000 to 2100.")
    return moment.timestamp()
