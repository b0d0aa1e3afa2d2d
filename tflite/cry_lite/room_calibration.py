"""Adapts a detector to a room on the device itself, by a quiet hour of it.

The simple form of `cry-tf calibrate`: without cries, the onset threshold is raised as
far as the sounds of the room need, never lowered.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from cry_lite import alarm_budget, atomic
from cry_lite.alarm_budget import AlarmChoice, ScoredRecording
from cry_lite.detector import Analyzer
from cry_lite.errors import ModelFileError, SoundFileError
from cry_lite.metadata import with_decision
from cry_lite.sound_file import SoundStream


def score_room(
    analyzer: Analyzer, blocks: Iterable[np.ndarray], name: str
) -> ScoredRecording:
    """Scores a recording that comes in blocks.

    Args:
        analyzer: The detector.
        blocks: Float32 arrays `(samples,)` at its rate; at least one sample in all.
        name: For messages.

    Raises:
        ValueError: If the model does not detect.
        ModelFileError: If the network fails.
    """
    spec = analyzer.spec
    if spec.positive_label is None:
        raise ValueError(
            "The model must detect crying. Received: one of the reasons "
            f"{', '.join(spec.labels)}."
        )
    starts_s, ends_s, scores = analyzer.score_blocks(blocks)
    if not len(scores):
        raise ValueError(f"{name} gave no sound to calibrate by.")
    return ScoredRecording(
        name=name,
        duration_s=float(ends_s[-1]),
        starts_s=starts_s,
        ends_s=ends_s,
        scores=scores[:, spec.labels.index(spec.positive_label)],
    )


def score_file(analyzer: Analyzer, path: str) -> ScoredRecording:
    """Scores a sound file.

    Raises:
        SoundFileError: If it cannot be used.
    """
    with SoundStream(path, analyzer.spec.sample_rate_hz) as sound:
        return score_room(analyzer, sound, path)


def first_seconds(
    blocks: Iterable[np.ndarray], sample_rate_hz: int, seconds: float
) -> Iterator[np.ndarray]:
    """Yields a stream until so many seconds of it have come.

    Ctrl-C ends it early, and what came until then is used.
    """
    left = round(seconds * sample_rate_hz)
    with contextlib.suppress(KeyboardInterrupt):
        for block in blocks:
            yield block[:left]
            left -= len(block)
            if left <= 0:
                return


def choose_for_room(
    analyzer: Analyzer,
    recordings: Sequence[ScoredRecording],
    max_per_hour: float | None = None,
    *,
    accept_few_hours: bool = False,
    has_no_crying: bool = False,
) -> AlarmChoice:
    """Chooses the setting for a room.

    Args:
        analyzer: The detector.
        recordings: Of the room, without crying.
        max_per_hour: The budget; None allows no false alarm in the recordings.
        accept_few_hours: Goes on with too few hours for a budget.
        has_no_crying: Counts what sounds like crying as false alarms.

    Raises:
        ValueError: If there is nothing to choose by, a recording seems to contain
            crying, the hours are too few, or no setting is left.
    """
    decision = analyzer.spec.decision
    seeming = alarm_budget.seeming_cries(recordings, decision)
    if seeming and not has_no_crying:
        raise ValueError(
            f"This sounds like crying: {alarm_budget.name_some(seeming)}. Record the "
            "room without crying. If there was none, add --no-crying, and it counts as "
            "a false alarm."
        )
    if max_per_hour is not None and not accept_few_hours:
        alarm_budget.check_hours(alarm_budget.hours_of(recordings), max_per_hour)
    return alarm_budget.choose(recordings, [], decision, max_per_hour)


def write_choice(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    choice: AlarmChoice,
    recordings: Sequence[ScoredRecording],
) -> None:
    """Writes a detector with the setting inside, whole or not at all.

    Before it takes its place it is read again, and must give the chosen events.

    Args:
        source: The `.tflite`.
        target: What to write; the same path changes the file itself.
        choice: The setting.
        recordings: That it was chosen on.

    Raises:
        ModelFileError: If the file does not give those events.
        OSError: If it cannot be written.
    """
    chosen = choice.chosen
    facts: dict[str, str | int | float] = {
        "alarm_budget_is_shown": int(choice.is_supported),
        "ambient_hours": round(choice.hours, 4),
        "ambient_recordings": choice.recordings,
        "ambient_false_alarms": chosen.false_alarms,
        "ambient_highest_per_hour": round(chosen.highest_per_hour, 4),
    }
    if choice.max_per_hour is not None:
        facts["alarm_budget_per_hour"] = choice.max_per_hour
    line = (
        f"{chosen.false_alarms} in {60 * choice.hours:.0f} min of the room that the "
        f"setting was chosen in (at most {chosen.highest_per_hour:.2g} an hour, 95 % "
        "confidence)."
    )
    content = with_decision(
        Path(source).read_bytes(), chosen.decision, facts, {"false_alarms": line}
    )
    with atomic.replacing(target) as part:
        part.write_bytes(content)
        decision = Analyzer(part).spec.decision
        if alarm_budget.point_of(decision, recordings, ()) != chosen:
            raise ModelFileError(
                f"{target} would not give the events that were chosen: not written."
            )


def score_files(
    analyzer: Analyzer, paths: Sequence[str], problems: list[str]
) -> list[ScoredRecording]:
    """Scores the files that can be read; adds a sentence for each of the others."""
    found = []
    for path in paths:
        try:
            found.append(score_file(analyzer, path))
        except SoundFileError as error:
            problems.append(str(error))
    return found
