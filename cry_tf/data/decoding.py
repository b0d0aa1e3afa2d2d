"""Decodes clips ahead in threads, and finds those that cannot be used."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from cry_tf.data import sound_source
from cry_tf.data.clip import Clip, LabelledClips, OnError, Problem

Item = TypeVar("Item")
Result = TypeVar("Result")


def decoding_threads() -> int:
    """Returns how many threads decode: the processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def ahead(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    threads: int | None = None,
) -> Iterator[tuple[Item, Result | OSError]]:
    """Applies a function in threads, a bounded way ahead of the consumer.

    Args:
        function: Work on one item that releases the GIL, as decoding does.
        items: Arguments, one per call.
        threads: Number of threads, None for one a processor.

    Yields:
        (item, result) in the order of `items`. An OSError is yielded in place
        of the result; any other error is raised.
    """
    threads = threads or decoding_threads()
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        try:
            for item in items:
                waiting.append((item, pool.submit(function, item)))
                if len(waiting) > 4 * threads:
                    yield _outcome(*waiting.popleft())
            while waiting:
                yield _outcome(*waiting.popleft())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _outcome(item: Item, future: Future[Result]) -> tuple[Item, Result | OSError]:
    try:
        return item, future.result()
    except OSError as error:
        return item, error


def read(clip: Clip, sample_rate_hz: int, max_seconds: float | None) -> np.ndarray:
    """Decodes one clip, float32 `(samples,)`, its beginning if it is longer."""
    return cut(
        sound_source.read(clip.path, sample_rate_hz), sample_rate_hz, max_seconds
    )


def cut(
    waveform: np.ndarray, sample_rate_hz: int, max_seconds: float | None
) -> np.ndarray:
    """Returns the beginning of a waveform, at least one sample, None the whole."""
    if max_seconds is None:
        return waveform
    return waveform[: max(1, round(max_seconds * sample_rate_hz))]


def waveforms(
    dataset: LabelledClips,
    sample_rate_hz: int,
    on_error: OnError,
    max_seconds: float | None,
) -> Iterator[tuple[Clip, np.ndarray]]:
    """Yields clips with their waveforms; see `Dataset.waveforms`."""
    check_arguments(sample_rate_hz, on_error, max_seconds)

    def decode(clip: Clip) -> np.ndarray:
        return read(clip, sample_rate_hz, max_seconds)

    def yield_usable() -> Iterator[tuple[Clip, np.ndarray]]:
        for clip, waveform in ahead(decode, dataset.clips):
            if isinstance(waveform, OSError):
                if on_error == "raise":
                    raise waveform
                add_problem(dataset, clip, waveform)
            else:
                yield clip, waveform

    return yield_usable()


def add_problem(dataset: LabelledClips, clip: Clip, error: OSError) -> None:
    """Notes in `dataset.problems`, once, that a clip could not be decoded."""
    if all(problem.clip.path != clip.path for problem in dataset.problems):
        dataset.problems.append(Problem(clip, str(error)))


def check_arguments(
    sample_rate_hz: int, on_error: str, max_seconds: float | None
) -> None:
    """Checks what every way of decoding a dataset takes.

    Raises:
        ValueError: If one of them breaks its rule.
    """
    if sample_rate_hz <= 0:
        raise ValueError(
            f"sample_rate_hz must be positive. Received: {sample_rate_hz=}."
        )
    if on_error not in ("raise", "skip"):
        raise ValueError(f"on_error must be raise or skip. Received: {on_error=}.")
    if max_seconds is not None and max_seconds <= 0:
        raise ValueError(
            f"max_seconds must be positive, or None. Received: {max_seconds=}."
        )


SHORTEST_S = 0.1
SILENT_PEAK = 1e-4  # -80 dB of full scale, three steps of 16 bits
CLIPPED_SAMPLE = 0.999
CLIPPED_SHARE = 0.01


def check_audio(dataset: LabelledClips) -> list[Problem]:
    """Decodes every clip in threads and returns what is wrong.

    Not usable: a file that cannot be decoded, holds no sample or a NaN, is
    shorter than 0.1 s, or is silent (peak under -80 dB of full scale). Usable
    but reported: more than 1 % of the samples at full scale (clipped), or a file
    that is shorter than its header states.

    Args:
        dataset: The clips.

    Returns:
        One problem for each clip with any, in the order of the clips.
    """
    return [
        Problem(clip, str(found)) if isinstance(found, OSError) else found
        for clip, found in ahead(_check, dataset.clips)
        if found is not None
    ]


def _check(clip: Clip) -> Problem | None:
    return problem_of(clip, *sound_source.read_native(clip.path))


def problem_of(
    clip: Clip, waveform: np.ndarray, rate_hz: int, notes: Sequence[str]
) -> Problem | None:
    """Returns what is wrong with a decoded clip, None if nothing is.

    Args:
        clip: The clip.
        waveform: Float32 `(samples,)` in [-1, 1].
        rate_hz: Its rate, Hz.
        notes: What was noticed while decoding.
    """
    duration_s = len(waveform) / rate_hz
    if duration_s < SHORTEST_S:
        return Problem(
            clip,
            f"{clip.path} is too short: {duration_s * 1000:.0f} ms, and a clip has at "
            f"least {SHORTEST_S * 1000:.0f} ms.",
        )
    level = np.abs(waveform)
    if (peak := float(level.max())) < SILENT_PEAK:
        return Problem(
            clip,
            f"{clip.path} is silent: its highest peak is {peak:.1g} of full scale.",
        )
    found = list(notes)
    if (share := float((level >= CLIPPED_SAMPLE).mean())) > CLIPPED_SHARE:
        found.append(f"clipped, {share:.1%} of its samples are at full scale")
    if found:
        return Problem(clip, f"{clip.path}: {'; '.join(found)}.", is_usable=True)
    return None
