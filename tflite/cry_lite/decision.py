"""Turns the scores of successive windows into events.

Every window stands for the part of the time line that is nearest to its centre,
its *cell*: from halfway to the previous window's centre to halfway to the next
one's. The first cell starts where the first window starts, the last ends where
the last window ends, so the cells tile the sound without gap or overlap. An event
is a run of cells. Windows of 3 s every 1 s thus place an edge to 1 s, not to 3 s,
and without bias: a window's score turns when about half of it is cry.

The steps, in order:

1. The score of each label becomes its median over `smoothing_windows` windows
   centred on it; at the ends only the windows that exist take part, and of an even
   number the lower middle one counts, so an end never adds crying.
2. `detect`: the positive label opens an event at `onset_threshold` or above and
   closes it below `offset_threshold`. `reason`: the same for the label with the
   highest score (the first of equals); an event also closes when another label
   takes the lead.
3. Events of one label with less than `max_gap_s` between them and no other event
   in between become one.
4. Events shorter than `min_event_s` are dropped.

Peak and mean are taken of the scores before smoothing, over all windows of the
event, joined gaps included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cry_lite.events import Event
from cry_lite.spec import DecisionSpec, ModelSpec

# Times come from whole samples divided by a rate, never exactly.
_TIME_TOLERANCE_S = 1e-6


class _Run(NamedTuple):
    label: int
    first: int
    end: int  # One past the last window.


def find_events(
    window_starts_s: np.ndarray | Sequence[float],
    window_ends_s: np.ndarray | Sequence[float],
    scores: np.ndarray | Sequence[Sequence[float]],
    spec: ModelSpec,
    duration_s: float,
) -> list[Event]:
    """Finds the events in the scores of successive windows.

    Args:
        window_starts_s: Floats `(windows,)`, increasing, seconds.
        window_ends_s: Floats `(windows,)`, increasing, seconds.
        scores: Finite floats `(windows, labels)`, in the order of `spec.labels`.
        spec: The task, the labels and the thresholds.
        duration_s: Length of the sound, seconds: no event ends later, even if the
            last window was padded beyond it.

    Returns:
        The events in order of time; none for no windows.

    Raises:
        ValueError: If the shapes disagree, the times do not increase, or a score is
            not finite.
    """
    starts = np.asarray(window_starts_s, np.float64)
    ends = np.asarray(window_ends_s, np.float64)
    scores = np.asarray(scores)
    if not starts.size and not scores.size:
        return []
    _check(starts, ends, scores, spec)
    edges = cell_edges(starts, ends, duration_s)
    decision = spec.decision
    if spec.task == "detect":
        labels = (str(spec.positive_label),)
        scores = scores[:, [spec.labels.index(labels[0])]]
    else:
        labels = spec.labels
    smoothed = smooth(scores, decision.smoothing_windows)
    runs = _join(_runs(smoothed, decision), edges, decision.max_gap_s)
    events = []
    for run in runs:
        start_s, end_s = float(edges[run.first]), float(edges[run.end])
        if end_s - start_s < decision.min_event_s - _TIME_TOLERANCE_S:
            continue
        inside = scores[run.first : run.end, run.label]
        events.append(
            Event(
                start_s=start_s,
                end_s=end_s,
                label=labels[run.label],
                peak=float(inside.max()),
                mean=float(inside.mean(dtype=np.float64)),
            )
        )
    return events


def cell_edges(
    starts_s: np.ndarray, ends_s: np.ndarray, duration_s: float
) -> np.ndarray:
    """Returns the `(windows + 1,)` edges of the cells, seconds; see the module."""
    centres = (starts_s + ends_s) / 2
    between = (centres[:-1] + centres[1:]) / 2
    edges = np.concatenate([starts_s[:1], between, ends_s[-1:]])
    return np.minimum(edges, duration_s)


def smooth(scores: np.ndarray, smoothing_windows: int) -> np.ndarray:
    """Returns the running median of every column; see step 1 of the module.

    Args:
        scores: Floats `(windows, labels)`.
        smoothing_windows: Odd int, the width; 1 changes nothing.
    """
    half = smoothing_windows // 2
    if half == 0:
        return scores
    total = len(scores)
    smoothed = np.empty_like(scores)
    if total >= smoothing_windows:
        full = np.lib.stride_tricks.sliding_window_view(scores, smoothing_windows, 0)
        smoothed[half : total - half] = np.median(full, axis=-1)
    for index in range(total):
        if index < half or index >= total - half:
            near = scores[max(0, index - half) : index + half + 1]
            smoothed[index] = np.sort(near, axis=0)[(len(near) - 1) // 2]
    return smoothed


def _runs(smoothed: np.ndarray, decision: DecisionSpec) -> list[_Run]:
    winners = smoothed.argmax(axis=1)
    winning_scores = smoothed.max(axis=1)
    runs: list[_Run] = []
    is_open = False
    for index, (label, score) in enumerate(
        zip(winners.tolist(), winning_scores.tolist(), strict=True)
    ):
        if is_open and label == runs[-1].label and score >= decision.offset_threshold:
            runs[-1] = runs[-1]._replace(end=index + 1)
            continue
        is_open = score >= decision.onset_threshold
        if is_open:
            runs.append(_Run(label, index, index + 1))
    return runs


def _join(runs: list[_Run], edges: np.ndarray, max_gap_s: float) -> list[_Run]:
    joined: list[_Run] = []
    for run in runs:
        if joined and joined[-1].label == run.label:
            gap_s = edges[run.first] - edges[joined[-1].end]
            if gap_s < max_gap_s - _TIME_TOLERANCE_S:
                joined[-1] = joined[-1]._replace(end=run.end)
                continue
        joined.append(run)
    return joined


def _check(
    starts: np.ndarray, ends: np.ndarray, scores: np.ndarray, spec: ModelSpec
) -> None:
    if starts.shape != (len(scores),) or ends.shape != (len(scores),):
        raise ValueError(
            "Every window needs a start, an end and a row of scores. Received: "
            f"starts {starts.shape}, ends {ends.shape}, scores {scores.shape}."
        )
    if scores.shape != (len(scores), len(spec.labels)):
        raise ValueError(
            f"scores must be (windows, {len(spec.labels)}), a column a label. "
            f"Received: shape={scores.shape}."
        )
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite. Received: NaN or infinity.")
    if (np.diff(starts) <= 0).any() or (np.diff(ends) <= 0).any():
        raise ValueError("Windows must be in order of time, each later than the last.")
