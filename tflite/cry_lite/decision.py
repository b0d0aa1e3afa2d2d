"""Turns the scores of successive windows into events, and into one answer a clip.

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
5. Events that are not confirmed are dropped: an event needs successive windows
   whose smoothed scores of its label are all at `onset_threshold` or above, and
   whose cells together last `confirmation_s` or longer. The gap between two joined
   events breaks such a stretch. So a brief sound with a high score, followed by a
   long one between the thresholds, is no event.

Peak and mean are taken of the scores before smoothing, over all windows of the
event, joined gaps included.

The answer of a whole clip follows from the same steps, so that it never contradicts
the events:

- `detect`: the clip is the positive label if an event was found in it, however long
  it is. Its score is the highest onset threshold at which one would be found: without
  smoothing, `min_event_s` and `confirmation_s`, the highest score of a window. So an
  event was found exactly where the score reaches `onset_threshold`.
- `reason`: the label with the highest mean score over the windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cry_lite.events import Event
from cry_lite.spec import DecisionSpec, ModelSpec

TIME_TOLERANCE_S = 1e-6
"""Times come from whole samples divided by a rate, never exactly."""


class Decision(NamedTuple):
    """What a model answers about a clip.

    Attributes:
        label: The answer, see the module.
        scores: Float32 `(labels,)`, the clip's score of each label. `detect`: the
            other labels share what the positive one leaves of 1, by their means.
        events: What was found when, in order of time.
    """

    label: str
    scores: np.ndarray
    events: tuple[Event, ...]


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
    labels, scores = _answering(scores, spec)
    edges = cell_edges(starts, ends, duration_s)
    return _events(edges, scores, labels, spec.decision)


def find_label_events(
    window_starts_s: np.ndarray,
    window_ends_s: np.ndarray,
    scores: np.ndarray,
    label: str,
    decision: DecisionSpec,
    duration_s: float,
) -> list[Event]:
    """Finds the events of one label, as `find_events` does for a detector's.

    Args:
        window_starts_s: Float64 `(windows,)`, increasing, seconds.
        window_ends_s: Float64 `(windows,)`, increasing, seconds.
        scores: Finite floats `(windows,)`, the label's.
        label: Its name.
        decision: The thresholds.
        duration_s: Length of the sound, seconds.
    """
    edges = cell_edges(window_starts_s, window_ends_s, duration_s)
    return _events(edges, scores[:, None], (label,), decision)


def _events(
    edges: np.ndarray,
    scores: np.ndarray,
    labels: Sequence[str],
    decision: DecisionSpec,
) -> list[Event]:
    smoothed = smooth(scores, decision.smoothing_windows)
    return [
        Event(
            start_s=float(edges[run.first]),
            end_s=float(edges[run.end]),
            label=labels[run.label],
            peak=float(scores[run.first : run.end, run.label].max()),
            mean=float(scores[run.first : run.end, run.label].mean(dtype=np.float64)),
        )
        for run in _event_runs(smoothed, edges, decision)
    ]


def decide(
    window_starts_s: np.ndarray | Sequence[float],
    window_ends_s: np.ndarray | Sequence[float],
    scores: np.ndarray | Sequence[Sequence[float]],
    spec: ModelSpec,
    duration_s: float,
) -> Decision:
    """Returns the answer of a clip, with its events; see the module.

    Args:
        window_starts_s: As for `find_events`; at least one window.
        window_ends_s: See there.
        scores: See there.
        spec: See there.
        duration_s: See there.

    Raises:
        ValueError: As for `find_events`, or if there is no window.
    """
    events = find_events(window_starts_s, window_ends_s, scores, spec, duration_s)
    scores = np.asarray(scores)
    if not scores.size:
        raise ValueError("A clip has at least one window. Received: none.")
    mean = scores.mean(axis=0, dtype=np.float64)
    if spec.positive_label is None:
        clip_scores = mean.astype(np.float32)
        label = answers(clip_scores[None], spec)[0]
        return Decision(spec.labels[label], clip_scores, tuple(events))
    edges = cell_edges(
        np.asarray(window_starts_s, np.float64),
        np.asarray(window_ends_s, np.float64),
        duration_s,
    )
    positive = spec.labels.index(spec.positive_label)
    _, own = _answering(scores, spec)
    reached = _reached(smooth(own, spec.decision.smoothing_windows), edges, spec)
    others = np.delete(mean, positive)
    total = others.sum()
    shares = others / total if total > 0 else np.full(len(others), 1 / len(others))
    clip_scores = np.insert(shares * max(0.0, 1 - reached), positive, reached)
    clip_scores = clip_scores.astype(np.float32)
    # The events have the word where min_event_s exceeds the clip at a threshold of 0.
    label = positive if events else np.argmax(np.insert(others, positive, -np.inf))
    return Decision(spec.labels[label], clip_scores, tuple(events))


def answers(clip_scores: np.ndarray, spec: ModelSpec) -> np.ndarray:
    """Returns what clips are answered, by their scores.

    A detector's clip has the positive label if its score is `onset_threshold` or
    more, else the best of the others; a reason is the label with the best score.

    Args:
        clip_scores: Floats `(clips, labels)`, one score a clip and label.
        spec: The labels and the threshold.

    Returns:
        Int `(clips,)`, places in `spec.labels`.
    """
    if spec.positive_label is None:
        return clip_scores.argmax(axis=1)
    positive = spec.labels.index(spec.positive_label)
    return answers_at(clip_scores, positive, spec.decision.onset_threshold)


def answers_at(
    clip_scores: np.ndarray, positive: int, threshold: float | np.ndarray
) -> np.ndarray:
    """Returns what a detector answers at a threshold; see `answers`.

    Args:
        clip_scores: Floats `(clips, labels)`.
        positive: Place of the positive label.
        threshold: One for all clips, or one for each.
    """
    # In float64: float32 scores would round the threshold to their precision.
    scores = np.asarray(clip_scores, np.float64)
    others = scores.copy()
    others[:, positive] = -np.inf
    is_positive = scores[:, positive] >= threshold
    return np.where(is_positive, positive, others.argmax(axis=1))


def _answering(
    scores: np.ndarray, spec: ModelSpec
) -> tuple[tuple[str, ...], np.ndarray]:
    """Returns the labels that have events, and their scores."""
    if spec.positive_label is None:
        return spec.labels, scores
    place = spec.labels.index(spec.positive_label)
    return (spec.positive_label,), scores[:, [place]]


def _reached(smoothed: np.ndarray, edges: np.ndarray, spec: ModelSpec) -> float:
    """Returns the highest onset threshold at which a detector finds an event.

    A lower threshold lengthens events and never removes one, so the scores are
    searched by halves. 0 if the clip is shorter than an event.
    """

    def has_event(score: float) -> bool:
        # A file's scores may lie a rounding outside of [0, 1]; thresholds do not.
        threshold = min(max(score, 0.0), 1.0)
        decision = spec.decision.replace(
            onset_threshold=threshold,
            offset_threshold=min(threshold, spec.decision.offset_threshold),
        )
        return bool(_event_runs(smoothed, edges, decision))

    candidates = np.unique(smoothed).tolist()
    if has_event(candidates[-1]):
        return candidates[-1]
    low, high = -1, len(candidates) - 1  # found at low, not at high
    while high - low > 1:
        middle = (low + high) // 2
        if has_event(candidates[middle]):
            low = middle
        else:
            high = middle
    return candidates[low] if low >= 0 else 0.0


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


def _event_runs(
    smoothed: np.ndarray, edges: np.ndarray, decision: DecisionSpec
) -> list[_Run]:
    """Returns the runs of windows that are events: steps 2 to 5 of the module."""
    return [
        run
        for run in _join(_runs(smoothed, decision), edges, decision.max_gap_s)
        if edges[run.end] - edges[run.first] >= decision.min_event_s - TIME_TOLERANCE_S
        and _is_confirmed(run, smoothed, edges, decision)
    ]


def _is_confirmed(
    run: _Run, smoothed: np.ndarray, edges: np.ndarray, decision: DecisionSpec
) -> bool:
    """Whether a run has a stretch at the onset threshold that is long enough."""
    needed_s = decision.confirmation_s - TIME_TOLERANCE_S
    if needed_s <= 0:
        return True
    # In float64, as the thresholds: see `answers_at`.
    rows = smoothed[run.first : run.end].astype(np.float64)
    is_high = (rows[:, run.label] >= decision.onset_threshold) & (
        rows.argmax(axis=1) == run.label
    )
    turns = np.flatnonzero(np.diff(is_high, prepend=False, append=False)) + run.first
    lengths_s = edges[turns[1::2]] - edges[turns[::2]]
    return bool((lengths_s >= needed_s).any())


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
            if gap_s < max_gap_s - TIME_TOLERANCE_S:
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
