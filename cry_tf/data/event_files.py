"""Reads when something happens in recordings: tables, Audacity labels, Praat TextGrids.

Three kinds of files, told apart by their content:

- A table (CSV, semicolons, tabs) with a header: `start_s` and `end_s`, and optionally
  `file` and `label`. With `file` it is about several recordings, without it about the
  one with its own name (`night.csv` for `night.wav`), as the tables of
  `cry-lite analyze`. The names of DCASE tables (`filename`, `onset`, `offset`,
  `event_label`) work too.
- A label track of Audacity: start, end and label in each line, without a header.
- A TextGrid of Praat, long or short: intervals with a text are events.

Times are seconds, or `1:02:03.5`; a decimal comma is one too, where it does not
separate the values. Files are UTF-8, or UTF-16 with its mark, as Praat writes it.
"""

from __future__ import annotations

import codecs
import csv
import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cry_tf.data import detection_labels
from cry_tf.data.clip import label_name
from cry_tf.data.manifest import composed, some

SUFFIXES = frozenset([".csv", ".tsv", ".txt", ".textgrid"])
_COLUMNS = {
    "filename": "file",
    "start": "start_s",
    "onset": "start_s",
    "onset_s": "start_s",
    "end": "end_s",
    "offset": "end_s",
    "offset_s": "end_s",
    "event_label": "label",
}
# A number, a text in quotes (a quote in it is written twice), a flag, a comment.
_PRAAT = re.compile(
    r'"(?:[^"]|"")*"|<\w+>|![^\n]*|(?<!\S)[-+]?\d+(?:[.,]\d+)?(?:[eE][-+]?\d+)?(?=\s|$)'
)
_ROUNDING_S = 0.01


@dataclass(frozen=True)
class AnnotatedEvent:
    """A stretch of a recording that somebody marked.

    Attributes:
        start_s: Start, seconds.
        end_s: End, seconds, later than the start.
        label: Its label; "" where there is none.
        file: Recording that it belongs to, as the table names it; "" for the one with
            the name of the file.
        place: File and line, for messages.
        columns: Further columns of its row.
    """

    start_s: float
    end_s: float
    label: str = ""
    file: str = ""
    place: str = ""
    columns: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class EventFile:
    """The events of one file.

    Attributes:
        path: The file.
        events: Its events, in its order.
        names_recordings: Whether its rows name the recordings they belong to.
    """

    path: Path
    events: tuple[AnnotatedEvent, ...]
    names_recordings: bool


@dataclass(frozen=True)
class Annotations:
    """The events of each recording.

    Attributes:
        events: Events by the place of the recording; a recording without an entry is
            not annotated, one with an empty entry has no event.
        missing: A sentence for each recording that is annotated but not there.
    """

    events: Mapping[int, tuple[AnnotatedEvent, ...]]
    missing: tuple[str, ...]


def read(paths: Sequence[str | os.PathLike[str]]) -> list[EventFile]:
    """Reads files with events, and folders of them.

    Raises:
        OSError: If nothing is there, or it cannot be read.
        ValueError: If a file is none of the three kinds, or an event has no length.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(
                each
                for each in path.rglob("*")
                if each.suffix.lower() in SUFFIXES and not each.name.startswith(".")
            )
            if not inside:
                raise FileNotFoundError(
                    f"{path} has no file of events in it (.csv, .tsv, .txt, .TextGrid)."
                )
            files += inside
        elif path.is_file():
            files.append(path)
        else:
            raise FileNotFoundError(f"File not found: {path}.")
    return [read_file(path) for path in files]


def read_file(path: str | os.PathLike[str]) -> EventFile:
    """Reads one file; see the module.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is none of the three kinds, or an event has no length.
    """
    path = Path(path)
    text = _text(path)
    if "ooTextFile" in text[:200] or path.suffix.lower() == ".textgrid":
        return EventFile(path, tuple(_text_grid(path, text)), False)
    lines = re.split(r"\r\n|\r|\n", text)
    first = next((line for line in lines if line.strip()), "")
    if path.suffix.lower() not in (".csv", ".tsv") and (
        not first or _is_time(first.split("\t")[0])
    ):
        return EventFile(path, tuple(_audacity(path, lines)), False)
    return _table(path, lines)


def assign(
    files: Sequence[EventFile], recordings: Sequence[tuple[str, Path]]
) -> Annotations:
    """Finds out which recording each event belongs to.

    A table names a recording relative to itself, or as `recordings` does, or by its
    file name if only one recording has it. Any recording that no row of a table names
    has no event; one that has no file of its own is not annotated.

    Args:
        files: Files with events.
        recordings: Name and path of each.

    Returns:
        The events of each recording.
    """
    paths = {os.path.realpath(path): i for i, (_, path) in enumerate(recordings)}
    names: dict[str, list[int]] = {}
    for i, (name, path) in enumerate(recordings):
        for known in {composed(name), composed(path.name)}:
            names.setdefault(known, []).append(i)
    stems: dict[str, list[int]] = {}
    for i, (_, path) in enumerate(recordings):
        stems.setdefault(composed(path.stem), []).append(i)
    found: dict[int, list[AnnotatedEvent]] = {}
    missing = []
    for file in files:
        if not file.names_recordings:
            near = stems.get(composed(file.path.stem), [])
            beside = [i for i in near if recordings[i][1].parent == file.path.parent]
            if len(beside or near) == 1:
                found.setdefault((beside or near)[0], []).extend(file.events)
                continue
            missing.append(
                f"{file.path} belongs to the recording with its name: "
                f"{'none' if not near else f'{len(near)} recordings'} found. Left out."
            )
            continue
        for i in range(len(recordings)):
            found.setdefault(i, [])
        absent: dict[str, int] = {}
        for event in file.events:
            place = paths.get(os.path.realpath(file.path.parent / event.file))
            if place is None:
                known = names.get(composed(Path(event.file).as_posix())) or names.get(
                    composed(Path(event.file).name), []
                )
                place = known[0] if len(known) == 1 else None
            if place is None:
                absent[event.file] = absent.get(event.file, 0) + 1
            else:
                found[place].append(event)
        if absent:
            missing.append(
                f"{file.path} names {len(absent)} recordings that are not among those "
                f"to score: {some(list(absent))}. Their {sum(absent.values())} events "
                "are left out."
            )
    return Annotations(
        {i: tuple(events) for i, events in found.items()}, tuple(missing)
    )


def crying(
    events: Sequence[AnnotatedEvent],
    positive: Sequence[str] | None = None,
    remembered: Sequence[str] = (),
) -> tuple[list[AnnotatedEvent], str]:
    """Returns the events that mean crying, and a sentence on the labels.

    Args:
        events: Events; one without a label means crying.
        positive: Labels that mean crying. None takes known names.
        remembered: As for `detection_labels.map_labels`.

    Raises:
        ValueError: If there are labels, and none of them means crying.
    """
    labels = [event.label for event in events if event.label]
    if not labels:
        return list(events), ""
    mapping = detection_labels.map_labels(
        labels, positive, is_training=False, remembered=remembered
    )
    if not mapping.positive:
        raise ValueError(
            "At least one label of the events must mean crying. Received: "
            f"{', '.join(sorted(set(labels)))}. Name those that do with --positive."
        )
    is_crying = {label for label, _ in mapping.positive}
    kept = [event for event in events if not event.label or event.label in is_crying]
    words = ", ".join(f"{label} {count}" for label, count in mapping.positive)
    return kept, f"crying ({mapping.reason}): {words}"


def within(
    events: Sequence[AnnotatedEvent], duration_s: float, recording: str
) -> tuple[list[AnnotatedEvent], list[str]]:
    """Cuts events at the end of their recording, in order of time.

    Args:
        events: Events of one recording.
        duration_s: Length of the recording.
        recording: Its name, for messages.

    Returns:
        The events, and sentences on what was cut and on what overlaps.

    Raises:
        ValueError: If an event starts after the end.
    """
    kept, notes = [], []
    for event in sorted(events, key=lambda each: (each.start_s, each.end_s)):
        if event.start_s >= duration_s:
            raise ValueError(
                f"An event must start within its recording. {event.place}: an event "
                f"starts at {event.start_s:g} s, but {recording} is {duration_s:.2f} s "
                "long. Check that the events belong to this recording."
            )
        if event.end_s > duration_s + _ROUNDING_S:
            notes.append(
                f"{event.place}: the event ends at {event.end_s:g} s, beyond the end "
                f"of {recording} ({duration_s:.2f} s). It is cut there."
            )
        end_s = min(event.end_s, duration_s)
        kept.append(
            AnnotatedEvent(
                event.start_s, end_s, event.label, event.file, event.place,
                event.columns,
            )
        )  # fmt: skip
    ends = np.maximum.accumulate([event.end_s for event in kept]) if kept else []
    overlapping = sum(
        after.start_s < end_s - _ROUNDING_S
        for after, end_s in zip(kept[1:], ends, strict=False)
    )
    if overlapping:
        notes.append(
            f"{recording}: {overlapping} events overlap the one before and are "
            "counted as one with it."
        )
    return kept, notes


def _text(path: Path) -> str:
    content = path.read_bytes()
    try:
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            text = content.decode("utf-16")
        else:
            text = content.decode("utf-8-sig")
        if "\0" in text:
            raise ValueError("it holds a zero byte")
    except ValueError as error:
        reason = str(error).split(":")[0]
        raise ValueError(
            f"A file of events is text in UTF-8. {path} is not: {reason}. Save it "
            "as UTF-8."
        ) from error
    return text


def _is_time(text: str) -> bool:
    try:
        _seconds(text)
    except ValueError:
        return False
    return True


def _seconds(text: str) -> float:
    """Returns a time written as 1.5, 1,5 or 1:02:03.5, in seconds."""
    parts = text.strip().replace(",", ".").split(":")
    if not 1 <= len(parts) <= 3:
        raise ValueError("no time")
    seconds = 0.0
    for part in parts:
        seconds = 60 * seconds + float(part)
    if not 0 <= seconds < float("inf"):
        raise ValueError("no time")
    return seconds


def _event(
    path: Path,
    line: int | str,
    start: str,
    end: str,
    label: str = "",
    file: str = "",
    columns: Mapping[str, str] | None = None,
) -> AnnotatedEvent:
    place = f"{path}, line {line}" if isinstance(line, int) else f"{path}, {line}"
    times = []
    for name, text in (("start", start), ("end", end)):
        try:
            times.append(_seconds(text))
        except ValueError:
            raise ValueError(
                f"The {name} of an event is a time in seconds. {place}: received "
                f"{text.strip()!r}."
            ) from None
    if times[1] <= times[0]:
        raise ValueError(
            f"An event ends after it starts. {place}: it starts at {times[0]:g} s and "
            f"ends at {times[1]:g} s. Correct it or delete the line."
        )
    name = label_name(label.strip(), place)
    file = unicodedata.normalize("NFC", file.strip())
    return AnnotatedEvent(times[0], times[1], name, file, place, columns or {})


def _audacity(path: Path, lines: Sequence[str]) -> list[AnnotatedEvent]:
    events = []
    for number, line in enumerate(lines, start=1):
        # A line that starts with a backslash has the frequencies of the one before.
        if not line.strip() or line.startswith("\\"):
            continue
        start, _, rest = line.partition("\t")
        end, _, label = rest.partition("\t")
        events.append(_event(path, number, start, end, label))
    return events


def _text_grid(path: Path, text: str) -> list[AnnotatedEvent]:
    tokens = [t for t in _PRAAT.findall(text) if not t.startswith("!")]
    events = []
    try:
        if [token.strip('"') for token in tokens[:2]] != ["ooTextFile", "TextGrid"]:
            raise ValueError
        at = 6  # after both names, the times, <exists>, and the number of tiers
        for tier in range(1, int(tokens[5]) + 1):
            kind, name, count = tokens[at], tokens[at + 1], int(tokens[at + 4])
            at += 5
            if kind == '"TextTier"':
                at += 2 * count
                continue
            for number in range(1, count + 1):
                start, end, label = tokens[at : at + 3]
                at += 3
                label = " ".join(label[1:-1].replace('""', '"').split())
                if label:
                    place = f"tier {tier} {name}, interval {number}"
                    events.append((place, start, end, label))
    except (ValueError, IndexError):
        raise ValueError(
            f"{path} is no TextGrid of Praat, or it is cut short. Save it again: Save "
            "as text file."
        ) from None
    return [_event(path, place, *rest) for place, *rest in events]


def _table(path: Path, lines: Sequence[str]) -> EventFile:
    delimiter = max(",;\t", key=lines[0].count)
    columns = [composed(name) for name in _values(path, 1, lines[0], delimiter)]
    columns = [_COLUMNS.get(name.lower(), name) for name in columns]
    absent = [name for name in ("start_s", "end_s") if name not in columns]
    if absent:
        raise ValueError(
            f"A table of events needs the columns start_s and end_s. {path} lacks "
            f"{' and '.join(absent)}. Its columns: {', '.join(map(repr, columns))}."
        )
    if len(set(columns)) < len(columns):
        raise ValueError(
            f"Every column of a table has a name of its own. {path} has: "
            f"{', '.join(map(repr, columns))}. Rename or delete the others."
        )
    events = []
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        values = _values(path, number, line, delimiter)
        if len(values) != len(columns):
            hint = (
                " A decimal comma needs semicolons or tabs between the values."
                if delimiter == ","
                else ""
            )
            raise ValueError(
                f"{path}, line {number} has {len(values)} values for {len(columns)} "
                f"columns.{hint}"
            )
        row = dict(zip(columns, values, strict=True))
        if "file" in row and not row["file"].strip():
            raise ValueError(f"{path}, line {number} names no file.")
        start, end = row.pop("start_s"), row.pop("end_s")
        file, label = row.pop("file", ""), row.pop("label", "")
        if file and not start.strip() and not end.strip():
            continue  # A recording that is annotated and has no event.
        events.append(_event(path, number, start, end, label, file, row))
    return EventFile(path, tuple(events), "file" in columns)


def _values(path: Path, number: int, line: str, delimiter: str) -> list[str]:
    reader = csv.reader([line], delimiter=delimiter, strict=True, skipinitialspace=True)
    try:
        return next(reader, [])
    except csv.Error as error:
        raise ValueError(
            f"{path}, line {number} is no row of a table: {error}."
        ) from error
