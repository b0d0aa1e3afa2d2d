"""Evaluates a detector on recordings whose crying is annotated, and writes the result.

A recording is scored block by block in the windows that `cry-lite` takes, so a night
takes no more memory than a minute.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cry_lite.errors import SoundFileError
from cry_lite.spec import ModelSpec
from cry_tf.data import event_files, sound_source
from cry_tf.data.content_digest import content_sha256
from cry_tf.data.event_files import AnnotatedEvent, EventFile
from cry_tf.evaluation import alarm_curve
from cry_tf.evaluation.alarm_curve import MERGE_GAP_S, AnnotatedRecording
from cry_tf.evaluation.event_figures import (
    DEFINITIONS,
    EventFigures,
    measure_events,
)
from cry_tf.evaluation.event_report import event_page, print_events
from cry_tf.evaluation.scorer import Scorer
from cry_tf.reports import pages
from cry_tf.runs import result_folder
from cry_tf.runs.progress import NoProgress, Progress
from cry_tf.runs.provenance import versions


@dataclass(frozen=True)
class EventEvaluation:
    """The result of `judge_events`.

    Attributes:
        path: The folder with `metrics.json`, `bouts.csv`, `alarms.csv`, `report.html`.
        figures: The figures.
        left_out: Sentences on recordings that could not be used.
    """

    path: Path
    figures: EventFigures
    left_out: tuple[str, ...]


def find_recordings(paths: Sequence[str | os.PathLike[str]]) -> list[tuple[str, Path]]:
    """Returns name and path of the recordings that are meant.

    Args:
        paths: Sound files, folders of them, and manifests of data sets.

    Raises:
        OSError: If nothing is there.
        ValueError: If there is no recording, or a manifest has a fault.
    """
    from cry_tf.data.loading import load

    found: dict[str, tuple[str, Path]] = {}

    def add(name: str, path: Path) -> None:
        found.setdefault(os.path.realpath(path), (name, path))

    for given in map(Path, paths):
        given = given.expanduser()
        if given.is_dir():
            for path in sorted(given.rglob("*")):
                parts = path.relative_to(given).parts
                is_hidden = any(part.startswith(".") for part in parts)
                if (
                    not is_hidden
                    and path.is_file()
                    and sound_source.is_sound_name(path)
                ):
                    add("/".join(parts), path)
        elif not given.is_file():
            raise FileNotFoundError(f"File not found: {given}.")
        elif sound_source.is_sound_name(given):
            add(given.name, given)
        else:
            for clip in load(given).clips:
                add(clip.name, clip.path)
    if not found:
        raise ValueError(
            "Recordings are sound files, folders of them or manifests. No sound file "
            f"is in {', '.join(map(str, paths))}."
        )
    return list(found.values())


def judge_events(
    scorer: Scorer,
    recordings: Sequence[tuple[str, Path]],
    annotated: Sequence[EventFile],
    path: str | os.PathLike[str],
    *,
    merge_gap_s: float = MERGE_GAP_S,
    positive: tuple[str, ...] | None = None,
    by: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    origin: str = "",
) -> EventEvaluation:
    """Scores recordings, compares events with annotations, and writes the result.

    Args:
        scorer: A detector.
        recordings: Name and path of each.
        annotated: When there is crying in them.
        path: The folder to write; it appears when everything is done.
        merge_gap_s: Annotated cries with a shorter pause between them are one bout.
        positive: Labels of events that mean crying; None takes those of the training,
            then known names.
        by: Column of the tables of events whose values are listed apart.
        overwrite: True replaces an earlier result.
        progress: Takes lines, warnings and progress; None ignores them.
        origin: Where recordings and events came from, for the record.

    Raises:
        ValueError: If the model is no detector, no recording can be used, or an
            annotation does not fit its recording.
        OSError: If the folder cannot be written.
    """
    progress = progress or NoProgress()
    spec = scorer.spec
    if spec.positive_label is None:
        raise ValueError(
            "Events are evaluated for a detector. The model is a classifier of "
            f"{', '.join(spec.labels)}."
        )
    if not 0 <= merge_gap_s < float("inf"):
        raise ValueError(
            f"merge_gap_s must be 0 or positive. Received: merge_gap_s={merge_gap_s}."
        )
    left_out: list[str] = []
    warnings: list[str] = []
    bouts = _bouts(
        recordings,
        annotated,
        spec,
        merge_gap_s,
        positive,
        by,
        left_out,
        warnings,
        progress,
    )
    with result_folder.writing(path, overwrite) as part:
        scored = _score(scorer, recordings, bouts, left_out, progress)
        figures = measure_events(scored, spec.decision)
        warnings += _doubts(figures)
        if left_out:
            warnings.append(f"{len(left_out)} recordings could not be used.")
        judged: dict[str, Any] = {
            "model": str(scorer.path),
            "model_sha256": content_sha256(scorer.path),
            "data": origin,
            "merge_gap_s": merge_gap_s,
            "decision": spec.decision.to_dict(),
            "definitions": DEFINITIONS,
            "by": by,
            "left_out": left_out,
            "warnings": warnings,
            "versions": versions(),
        }
        values = {"judged": judged, "events": figures.to_dict()}
        result_folder.write_json(part / result_folder.MARK, values)
        _write_tables(part, scored, spec)
        pages.write(
            part / "report.html",
            lambda: event_page(figures, spec, judged, warnings),
            progress.warn,
        )
        print_events(progress, figures, merge_gap_s)
        for sentence in (*left_out, *warnings):
            progress.warn(sentence)
    return EventEvaluation(Path(path), figures, tuple(left_out))


def _bouts(
    recordings: Sequence[tuple[str, Path]],
    annotated: Sequence[EventFile],
    spec: ModelSpec,
    merge_gap_s: float,
    positive: tuple[str, ...] | None,
    by: str | None,
    left_out: list[str],
    warnings: list[str],
    progress: Progress,
) -> dict[int, tuple[np.ndarray, tuple[str, ...]]]:
    """Returns bouts and conditions of each recording that is annotated."""
    found = event_files.assign(annotated, recordings)
    left_out += found.missing
    every = [event for events in found.events.values() for event in events]
    if by is not None and not any(by in event.columns for event in every):
        columns = sorted({name for event in every for name in event.columns})
        raise ValueError(
            f"--by must name a column of the events. Received: {by}. Their columns: "
            f"{', '.join(columns) or 'none but times, file and label'}."
        )
    kept, sentence = event_files.crying(every, positive, spec.positive_names)
    is_crying = set(map(id, kept))
    if sentence:
        progress.line(sentence)
    without = [name for i, (name, _) in enumerate(recordings) if i not in found.events]
    if without:
        left_out.append(
            f"{len(without)} recordings have no file of events and are not scored: "
            f"{', '.join(without[:5])}{' ...' if len(without) > 5 else ''}. An empty "
            "file says that there is no crying."
        )
    made = {}
    for place, events in sorted(found.events.items()):
        name, path = recordings[place]
        crying = [event for event in events if id(event) in is_crying]
        try:
            duration_s = sound_source.info(path).duration_s
        except SoundFileError as error:
            left_out.append(str(error))
            continue
        crying, notes = event_files.within(crying, duration_s, name)
        warnings += notes
        spans = np.array([(e.start_s, e.end_s) for e in crying]).reshape(-1, 2)
        merged = alarm_curve.merge(spans, merge_gap_s)
        made[place] = merged, _conditions(merged, crying, by)
    if not made:
        raise ValueError(
            "At least one recording must be annotated and readable. Received: "
            f"{len(recordings)} recordings. {left_out[0] if left_out else ''}"
        )
    return made


def _conditions(
    merged: np.ndarray, events: Sequence[AnnotatedEvent], by: str | None
) -> tuple[str, ...]:
    """Returns the condition of the first event of each bout."""
    if by is None:
        return ()
    return tuple(
        next(e.columns.get(by, "") for e in events if e.start_s == start)
        for start in merged[:, 0].tolist()
    )


def _score(
    scorer: Scorer,
    recordings: Sequence[tuple[str, Path]],
    bouts: dict[int, tuple[np.ndarray, tuple[str, ...]]],
    left_out: list[str],
    progress: Progress,
) -> list[AnnotatedRecording]:
    scored = []
    with progress.bar("scoring", len(bouts)) as advance:
        for place, (reference, conditions) in bouts.items():
            name, path = recordings[place]
            blocks = sound_source.stream(path, scorer.spec.sample_rate_hz)
            try:
                record = scorer.record(name, blocks)
            except SoundFileError as error:
                left_out.append(str(error))
                continue
            scored.append(
                AnnotatedRecording(
                    scored=record, reference=reference, conditions=conditions
                )
            )
            advance()
    if not scored:
        raise ValueError(f"No recording can be decoded. {left_out[0]}")
    return scored


def _doubts(figures: EventFigures) -> list[str]:
    """Returns what the recordings cannot show, a sentence each."""
    doubts = []
    if not figures.bouts:
        doubts.append("No recording contains crying: there is no recall.")
    elif figures.bouts < 20:
        doubts.append(
            f"{figures.bouts} bouts are few: a recall of 1 on them is also likely for "
            f"a detector that misses {100 * (1 - 0.05 ** (1 / figures.bouts)):.0f} %."
        )
    if figures.recordings < 5:
        doubts.append(
            f"Intervals are drawn over recordings, and {figures.recordings} are few. "
            "Cut long recordings, or add others."
        )
    hours = figures.hours_without
    if hours:
        doubts.append(
            f"{hours:.2f} hours without crying cannot show a rate below "
            f"{alarm_curve.highest_rate(0, hours):.2g} false alarms an hour (95 %)."
        )
    return doubts


def _write_tables(
    folder: Path, recordings: Sequence[AnnotatedRecording], spec: ModelSpec
) -> None:
    """Writes every bout and every detected event, with what became of it."""
    bouts: list[list[str]] = []
    alarms: list[list[str]] = []
    for recording in recordings:
        found = recording.found(spec.decision)
        is_found = alarm_curve.is_found(recording.reference, found)
        placed = alarm_curve.onset_delays(recording.reference, found)
        delays = alarm_curve.alarm_delays(recording, spec.decision)
        conditions = recording.conditions or ("",) * len(recording.reference)
        for row, (start_s, end_s) in enumerate(recording.reference.tolist()):
            bouts.append(
                [
                    recording.name,
                    f"{start_s:.3f}",
                    f"{end_s:.3f}",
                    "yes" if is_found[row] else "no",
                    "" if np.isnan(placed[row]) else f"{placed[row]:.3f}",
                    "" if np.isnan(delays[row]) else f"{delays[row]:.3f}",
                    conditions[row],
                ]
            )
        for event in recording.scored.events(spec.decision):
            span = np.array([[event.start_s, event.end_s]])
            false = alarm_curve.count_false_alarms(recording.reference, span)
            alarms.append(
                [
                    recording.name,
                    f"{event.start_s:.3f}",
                    f"{event.end_s:.3f}",
                    f"{event.peak:.6f}",
                    f"{event.mean:.6f}",
                    str(false),
                ]
            )
    header = ["file", "start_s", "end_s", "found", "onset_delay_s", "alarm_delay_s"]
    _write_csv(folder / "bouts.csv", [*header, "condition"], bouts)
    header = ["file", "start_s", "end_s", "peak", "mean", "false_alarms"]
    _write_csv(folder / "alarms.csv", header, alarms)


def _write_csv(path: Path, header: Sequence[str], rows: Sequence[list[str]]) -> None:
    with open(path, "w", newline="", encoding="utf-8", errors="backslashreplace") as to:
        writer = csv.writer(to, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
