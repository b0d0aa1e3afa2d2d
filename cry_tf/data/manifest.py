"""Reads a manifest: a CSV with a row for each recording."""

from __future__ import annotations

import csv
import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from cry_tf.data.clip import Clip
from cry_tf.data.grouping import plural

_NAMED = 5


def read_manifest(path: Path, label_column: str, group_by: str | None) -> list[Clip]:
    """Returns the clips that a manifest lists; see `cry_tf.data.load`.

    Args:
        path: The CSV.
        label_column: The column of the label.
        group_by: The column of the source, None for `group` where it exists.

    Returns:
        Clips in the order of the rows, `group` empty where nothing is stated.
    """
    columns, rows = _read_rows(path)
    needed = ["file", label_column] + ([group_by] if group_by is not None else [])
    absent = [name for name in needed if name not in columns]
    if absent:
        raise ValueError(
            f"A manifest needs the columns {', '.join(map(repr, needed))}. "
            f"{path} lacks {', '.join(map(repr, absent))}. Its columns: "
            f"{', '.join(map(repr, columns))}."
        )
    if not rows:
        raise ValueError(
            f"A manifest needs at least one row. {path} has a header only."
        )
    group_column = group_by if group_by is not None else "group"
    clips, unlabelled, missing, twice = [], [], [], []
    first_line: dict[Path, int] = {}
    for line, row in rows:
        label = unicodedata.normalize("NFC", row[label_column].strip())
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
            if name not in ("file", label_column, group_column)
        }
        group = row.get(group_column, "").strip()
        name = unicodedata.normalize("NFC", Path(row["file"]).as_posix())
        clips.append(Clip(file, label, group, extra, name))
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


def _read_rows(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Returns the column names, and (line number, row) of every row in use."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            header = file.readline()
            # Spreadsheets write semicolons where the comma is the decimal mark.
            delimiter = max(",;\t", key=header.count)
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter)
            columns = [name.strip() for name in next(reader, [])]
            rows = []
            for values in reader:
                if any(value.strip() for value in values):
                    values += [""] * (len(columns) - len(values))
                    rows.append(
                        (reader.line_num, dict(zip(columns, values, strict=False)))
                    )
    except UnicodeDecodeError as error:
        raise ValueError(
            f"A manifest is a CSV in UTF-8. {path} is not: {error}. Save it as "
            '"CSV UTF-8".'
        ) from error
    except csv.Error as error:
        raise ValueError(f"A manifest is a CSV. {path} is not: {error}.") from error
    return columns, rows


def _existing(path: Path) -> Path:
    """Returns the path in the Unicode form that the disk has (macOS decomposes)."""
    for form in ("NFC", "NFD"):
        other = Path(unicodedata.normalize(form, os.fspath(path)))
        if not path.exists() and other.exists():
            return other
    return path


def some(names: Sequence[str]) -> str:
    """Joins the first few names, and says how many more there are."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
