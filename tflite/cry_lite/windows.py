"""Cuts a long waveform into the overlapping windows that a model scores.

Windows start every hop. If the last of them does not reach the end, one more is
taken whose end is the end of the waveform, so every sample is scored and no
window is padded. A waveform no longer than a window is one window.
"""

from __future__ import annotations

import array
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from cry_lite.spec import ModelSpec


def window_starts(
    total_samples: int, window_samples: int, hop_samples: int
) -> list[int]:
    """Returns the first sample of every window, in order.

    Args:
        total_samples: Int > 0, length of the waveform.
        window_samples: Int > 0, length of a window.
        hop_samples: Int in [1, window_samples], distance between two windows.

    Raises:
        ValueError: If a length is out of range.
    """
    _check(window_samples, hop_samples)
    if total_samples <= 0:
        raise ValueError(
            f"total_samples must be positive. Received: total_samples={total_samples}."
        )
    if total_samples <= window_samples:
        return [0]
    last = total_samples - window_samples
    starts = list(range(0, last + 1, hop_samples))
    if starts[-1] < last:
        starts.append(last)
    return starts


def stream_windows(
    blocks: Iterable[np.ndarray], window_samples: int, hop_samples: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Cuts a waveform that comes in blocks; gives what `window_starts` says.

    Holds one window and one block in memory, however long the waveform is.

    Args:
        blocks: Arrays `(samples,)` of any lengths, which joined are the waveform.
        window_samples: Int > 0, length of a window.
        hop_samples: Int in [1, window_samples], distance between two windows.

    Yields:
        The first sample of a window in the waveform, and the window
        `(window_samples,)`, shorter only if the whole waveform is. Nothing for a
        waveform without samples.

    Raises:
        ValueError: If a length is out of range.
    """
    _check(window_samples, hop_samples)
    held = np.zeros(0, np.float32)
    held_start = next_start = 0
    for block in blocks:
        held = np.concatenate([held, block])
        while next_start + window_samples <= held_start + len(held):
            offset = next_start - held_start
            yield next_start, held[offset : offset + window_samples]
            next_start += hop_samples
        # The next window and the one at the very end may both start in here.
        unneeded = min(next_start - held_start, len(held) - window_samples)
        if unneeded > 0:
            held = held[unneeded:]
            held_start += unneeded
    if not len(held):
        return
    end = held_start + len(held)
    covered = next_start - hop_samples + window_samples if next_start else 0
    if covered < end:
        last = max(end - window_samples, 0)
        yield last, held[last - held_start :]


def window_samples_of(spec: ModelSpec) -> tuple[int, int]:
    """Returns the length of a model's window and the distance between two, samples."""
    rate_hz, decision = spec.sample_rate_hz, spec.decision
    window_samples = max(1, round(decision.window_s * rate_hz))
    return window_samples, max(1, round(decision.hop_s * rate_hz))


def holds_window(input_samples: int | None, spec: ModelSpec) -> bool:
    """Whether a network takes the windows that its settings ask for.

    The one rule for what is written and for what is read.

    Args:
        input_samples: Fixed length of the network's input, None if it may be any.
        spec: Its settings.
    """
    return input_samples is None or input_samples >= window_samples_of(spec)[0]


def score_windows(
    blocks: Iterable[np.ndarray],
    spec: ModelSpec,
    score: Callable[[np.ndarray], np.ndarray],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores the windows of a waveform that comes in blocks.

    The one place that says which windows a model scores: the runtime and
    `cry-tf evaluate` share it.

    Args:
        blocks: As for `stream_windows`.
        spec: Of the model; its decision says how long a window is.
        score: Window `(samples,)` to scores `(labels,)`.

    Returns:
        Starts and ends of the windows, int64 `(windows,)`, samples, and the scores,
        float32 `(windows, labels)`.
    """
    starts, ends = array.array("q"), array.array("q")
    scores = array.array("f")  # A night of rows, without an object for each.
    for start, window in stream_windows(blocks, *window_samples_of(spec)):
        row = np.asarray(score(window), np.float32)
        starts.append(start)
        ends.append(start + len(window))
        scores.frombytes(row.tobytes())
    return (
        np.array(starts, np.int64),
        np.array(ends, np.int64),
        np.frombuffer(scores, np.float32).reshape(-1, len(spec.labels)),
    )


def _check(window_samples: int, hop_samples: int) -> None:
    if not 0 < hop_samples <= window_samples:
        raise ValueError(
            "0 < hop_samples <= window_samples must hold. Received: "
            f"hop_samples={hop_samples}, window_samples={window_samples}."
        )
