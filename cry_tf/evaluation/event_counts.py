"""Compares the events found in a recording with those that are really in it.

Every function counts for one recording; counts of several recordings add up. An
event is a row `(start_s, end_s)`; the events of one side do not overlap.

The definitions are those of the field, checked against `sed_scores_eval`:

- `matched`: a found event is right if its start and its end are both near those of
  a reference event, each of which is matched once (event-F1, collar-based F1).
- `intersecting`: a found event is right if enough of it lies in reference events, a
  reference event is found if enough of it lies under right events (intersection-F1,
  PSDS).
- `segments`: the recording is cut into seconds, each with or without an event.

References:
    [Mesaros et al., 2016](https://doi.org/10.3390/app6060162);
    [Bilen et al., 2020](https://doi.org/10.1109/ICASSP40776.2020.9052995).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

ONSET_COLLAR_S = 0.2
OFFSET_COLLAR_S = 0.2
OFFSET_SHARE = 0.2
SEGMENT_S = 1.0
MAX_RATE_PER_HOUR = 100.0
# Where a time lies exactly on a limit, a rounded sum must not put it beyond.
_DECIMALS = 6


class Counts(NamedTuple):
    """What was found and what was not.

    Attributes:
        references: Number of reference events (or segments with one).
        hits: Number of them that were found.
        false_alarms: Number of found events (or segments) that are wrong.
    """

    references: int
    hits: int
    false_alarms: int

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; None if there is no event at all."""
        return f1(*self)


def f1(references: float, hits: float, false_alarms: float) -> float | None:
    """Returns the F1 of counts, None where nothing was there and nothing found."""
    total = references + hits + false_alarms
    return 2 * hits / total if total > 0 else None


def matched(
    reference: np.ndarray,
    found: np.ndarray,
    onset_collar_s: float = ONSET_COLLAR_S,
    offset_collar_s: float = OFFSET_COLLAR_S,
    offset_share: float = OFFSET_SHARE,
) -> Counts:
    """Counts the events that are matched one to one.

    Of all ways to match, one with the most pairs is taken.

    Args:
        reference: Floats `(references, 2)`, start and end, seconds.
        found: Floats `(found, 2)`.
        onset_collar_s: How far apart two starts may be.
        offset_collar_s: How far apart two ends may be at least.
        offset_share: The same as a share of the length of the reference event; the
            larger of the two holds.
    """
    reference, found = _events(reference), _events(found)
    onsets = np.abs(found[:, None, 0] - reference[:, 0])
    offsets = np.abs(found[:, None, 1] - reference[:, 1])
    collars = np.maximum(offset_collar_s, offset_share * np.diff(reference)[:, 0])
    is_near = (np.round(onsets - onset_collar_s, _DECIMALS) <= 0) & (
        np.round(offsets - collars, _DECIMALS) <= 0
    )
    hits = _most_pairs(is_near)
    return Counts(len(reference), hits, len(found) - hits)


def intersecting(
    reference: np.ndarray,
    found: np.ndarray,
    detection_share: float = 0.5,
    reference_share: float = 0.5,
) -> Counts:
    """Counts the events that lie enough in those of the other side.

    Args:
        reference: Floats `(references, 2)`, start and end, seconds.
        found: Floats `(found, 2)`.
        detection_share: Share of a found event that lies in reference events, at
            least, or it is a false alarm (detection tolerance criterion, DTC).
        reference_share: Share of a reference event that lies under found events
            which are no false alarms, at least, or it is missed (ground truth
            intersection criterion, GTC).
    """
    reference, found = _events(reference), _events(found)
    common_s = np.maximum(
        np.minimum(found[:, None, 1], reference[:, 1])
        - np.maximum(found[:, None, 0], reference[:, 0]),
        0.0,
    )
    is_right = _reaches(common_s.sum(axis=1), detection_share * np.diff(found)[:, 0])
    covered_s = common_s[is_right].sum(axis=0)
    is_hit = _reaches(covered_s, reference_share * np.diff(reference)[:, 0])
    return Counts(len(reference), int(is_hit.sum()), int((~is_right).sum()))


def segments(
    reference: np.ndarray,
    found: np.ndarray,
    duration_s: float,
    segment_s: float = SEGMENT_S,
) -> Counts:
    """Counts the segments that hold a part of an event.

    Args:
        reference: Floats `(references, 2)`, start and end, seconds.
        found: Floats `(found, 2)`.
        duration_s: Length of the recording; the last segment may reach beyond it.
        segment_s: Length of a segment.
    """
    count = int(np.ceil(np.round(duration_s / segment_s, _DECIMALS)))
    edges = np.round(np.arange(count + 1) * segment_s, _DECIMALS)
    is_true, is_found = (
        _has_event(np.round(_events(events), _DECIMALS), edges)
        for events in (reference, found)
    )
    hits = int((is_true & is_found).sum())
    return Counts(int(is_true.sum()), hits, int(is_found.sum()) - hits)


def psds(
    recalls: np.ndarray,
    false_alarms_per_hour: np.ndarray,
    max_rate: float = MAX_RATE_PER_HOUR,
) -> float:
    """Returns the polyphonic sound detection score of one label.

    It is the mean, over the rates from 0 to `max_rate`, of the best recall at a rate
    that is not higher. With one label there are no cross triggers, and nothing
    varies across labels.

    Args:
        recalls: Floats `(thresholds,)` of `intersecting`.
        false_alarms_per_hour: Floats `(thresholds,)`, an hour of all sound, with and
            without events.
        max_rate: Highest rate that counts.
    """
    order = np.lexsort((recalls, false_alarms_per_hour))
    rates = np.asarray(false_alarms_per_hour, np.float64)[order]
    best = np.maximum.accumulate(np.asarray(recalls, np.float64)[order])
    best, rates = best[rates <= max_rate], rates[rates <= max_rate]
    widths = np.diff(np.append(rates, max_rate))
    return float((best * widths).sum() / max_rate)


def _events(events: np.ndarray) -> np.ndarray:
    return np.asarray(events, np.float64).reshape(-1, 2)


def _reaches(seconds: np.ndarray, needed_s: np.ndarray) -> np.ndarray:
    return np.round(seconds, _DECIMALS) >= np.round(needed_s, _DECIMALS)


def _has_event(events: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Returns for each segment whether an event lies in a part of it."""
    marks = np.zeros(len(edges), np.int64)
    # The first segment that ends after the start; the first that starts at the end.
    np.add.at(marks, np.searchsorted(edges[1:], events[:, 0], "right"), 1)
    np.add.at(marks, np.searchsorted(edges[:-1], events[:, 1], "left"), -1)
    return np.cumsum(marks)[:-1] > 0


def _most_pairs(is_near: np.ndarray) -> int:
    """Returns the size of a largest matching, by augmenting paths."""
    partner = np.full(is_near.shape[1], -1)

    def place(row: int, tried: set[int]) -> bool:
        for column in np.flatnonzero(is_near[row]).tolist():
            if column in tried:
                continue
            tried.add(column)
            if partner[column] < 0 or place(int(partner[column]), tried):
                partner[column] = row
                return True
        return False

    return sum(place(row, set()) for row in range(len(is_near)))
