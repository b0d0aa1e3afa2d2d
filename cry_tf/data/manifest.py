"""Reads a manifest: a CSV with a row for each recording."""

from __future__ import annotations

import codecs
import csv
import difflib
import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from cry_tf.data.clip import Clip, label_name
from cry_tf.data.grouping import plural

_NAMED = 5
_LONGEST_ROW = 20  # Lines to look through for the end of a quoted value.
_DOMAIN_COLUMN = "dataset"


def read_manifest(
    path: Path,
    label_column: str,
    group_by: str | None,
    domain_by: str | None = None,
) -> list[Clip]:
    """Returns the clips that a manifest lists; see `cry_tf.data.load`.

    Args:
        path: The CSV.
        label_column: The column of the label.
        group_by: The column of the source, None for `group` where it exists.
        domain_by: The column of the recorder or data set, None for `dataset` where
            it exists.

    Returns:
        Clips in the order of the rows, `group` and `domain` empty where nothing is
        stated.
    """
    label_column = composed(label_column)
    group_column = "group" if group_by is None else composed(group_by)
    domain_column = _DOMAIN_COLUMN if domain_by is None else composed(domain_by)
    needed = ["file", label_column] + ([] if group_by is None else [group_column])
    needed += [] if domain_by is None else [domain_column]
    if domain_column == label_column:
        if domain_by is not None:
            raise ValueError(
                "The column of the recorder must be another one than that of the "
                f"label. Received: {domain_by!r} for both."
            )
        domain_column = ""
    _, rows = _read_rows(path, needed)
    if not rows:
        raise ValueError(
            f"A manifest needs at least one row. {path} has a header only."
        )
    clips, unlabelled, missing, twice = [], [], [], []
    first_line: dict[Path, int] = {}
    for line, row in rows:
        label = label_name(row[label_column].strip(), f"{path}, line {line}")
        if not label:
            unlabelled.append(f"line {line} ({row['file']})")
        file = _existing(path.parent / row["file"])
        if not row["file"].strip() or not file.is_file():
            missing.append(f"{row['file']!r} (line {line})")
        elif file in first_line:
            twice.append(f"{row['file']} (lines {first_line[file]} and {line})")
        first_line.setdefault(file, line)
        extra = {
            name: value
            for name, value in row.items()
            if name and name not in ("file", label_column, group_column)
        }
        group = composed(row.get(group_column, ""))
        name = unicodedata.normalize("NFC", Path(row["file"]).as_posix())
        domain = composed(row.get(domain_column, ""))
        clips.append(Clip(file, label, group, extra, name, domain))
    if unlabelled:
        raise ValueError(
            f"Every row of a manifest has a label. {plural(len(unlabelled), 'row')} "
            f"of {path} with an empty {label_column!r}: {some(unlabelled)}. Fill it "
            "in or delete the row."
        )
    if missing:
        raise FileNotFoundError(
            f"Paths in a manifest are relative to its folder, {path.parent}. "
            f"{len(missing)} of {plural(len(rows), 'file')} in {path.name} do not "
            f"exist there: {some(missing)}."
        )
    if twice:
        raise ValueError(
            f"A manifest lists a file once. Listed again in {path}: {some(twice)}. "
            "Delete one of the rows."
        )
    return clips


def _read_rows(
    path: Path, needed: Sequence[str]
) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Returns the column names, and (line number, row) of every row in use."""
    # Line by line: a quote that is opened and never closed takes one row, not all
    # that come after it.
    lines = re.split(r"\r\n|\r|\n", _text(path))
    # Spreadsheets write semicolons where the comma is the decimal mark.
    delimiter = max(",;\t", key=lines[0].count)
    try:
        columns = [composed(name) for name in _values(lines[0], delimiter)]
    except csv.Error as error:
        raise ValueError(
            f"A manifest is a CSV. {path} is not: line 1, {_reason(error)}."
        ) from error
    absent = [name for name in needed if name not in columns]
    if absent:
        near = [
            repr(found)
            for name in absent
            for found in difflib.get_close_matches(name, columns)
        ]
        raise ValueError(
            f"A manifest needs the columns {', '.join(map(repr, needed))}. "
            f"{path} lacks {', '.join(map(repr, absent))}. "
            + (f"Nearest: {', '.join(dict.fromkeys(near))}. " if near else "")
            + f"Its columns: {', '.join(map(repr, columns))}."
        )
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise ValueError(
            f"Every column of a manifest has a name of its own. {path} has more than "
            f"one {', '.join(map(repr, twice))}. Rename or delete the others."
        )
    rows, faults = [], []
    next_number = 2
    for number, line in enumerate(lines[1:], start=2):
        if number < next_number:
            continue
        try:
            values = _values(line, delimiter)
        except csv.Error as error:
            last = _end_of_row(lines, number, delimiter, len(columns))
            if last is not None:
                faults.append(
                    f"line {number} (a line break within quotes, closed in line {last})"
                )
                next_number = last + 1
            else:
                faults.append(f"line {number} ({_reason(error)})")
            continue
        if not any(value.strip() for value in values):
            continue
        while len(values) > len(columns) and not values[-1].strip():
            values.pop()
        if len(values) != len(columns):
            faults.append(f"line {number} ({plural(len(values), 'value')})")
            continue
        rows.append((number, dict(zip(columns, values, strict=True))))
    if faults:
        are = "is" if len(faults) == 1 else "are"
        raise ValueError(
            "Every row of a manifest is one line with a value, perhaps an empty one, "
            f"for each of its {plural(len(columns), 'column')}. "
            f"{plural(len(faults), 'row')} of {path} {are} not: {some(faults)}. "
            "Take line breaks out of values, close each quote on its line, and put a "
            f"value that holds {delimiter!r} in quotes."
        )
    return columns, rows


def _values(line: str, delimiter: str) -> list[str]:
    reader = csv.reader([line], delimiter=delimiter, strict=True, skipinitialspace=True)
    return next(reader, [])


def _end_of_row(
    lines: Sequence[str], number: int, delimiter: str, columns: int
) -> int | None:
    """Returns the line where a row ends whose quotes hold line breaks, else None."""
    row = lines[number - 1]
    for last in range(number + 1, min(number + _LONGEST_ROW, len(lines) + 1)):
        row += "\n" + lines[last - 1]
        try:
            values = _values(row, delimiter)
        except csv.Error:
            continue
        return last if len(values) == columns else None
    return None


def _reason(error: csv.Error) -> str:
    text = str(error)
    if text.startswith("unexpected end"):
        return "a quote is not closed"
    return "text after a closing quote" if "expected after" in text else text


def _text(path: Path) -> str:
    content = path.read_bytes()
    try:
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise ValueError("it is UTF-16")
        text = content.decode("utf-8-sig")
        if "\0" in text:
            number = text[: text.index("\0")].count("\n") + 1
            raise ValueError(f"line {number} holds a zero byte")
    except ValueError as error:
        raise ValueError(
            f"A manifest is a CSV in UTF-8. {path} is not: {error}. Save it as "
            '"CSV UTF-8".'
        ) from error
    return text


def composed(text: str) -> str:
    """Returns a name without outer spaces, in Unicode's composed form."""
    return unicodedata.normalize("NFC", text.strip())


def _existing(path: Path) -> Path:
    """Returns the path in the Unicode form that the disk has (macOS decomposes)."""
    for form in ("NFC", "NFD"):
        other = Path(unicodedata.normalize(form, os.fspath(path)))
        if not path.exists() and other.exists():
            return other
    return path


def some(names: Sequence[str]) -> str:
    """Joins the first few names and the number of the others."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
