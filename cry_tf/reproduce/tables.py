"""Theirs beside ours, as rows of text."""

from __future__ import annotations

from dataclasses import dataclass

from cry_tf.evaluation.figures import Estimate
from cry_tf.reproduce.clips import SPLITS, Split
from cry_tf.reproduce.reproduced import NOT_ASKED, Reproduced
from cry_tf.reproduce.row import Figure, Row

HEADER = ("theirs", "by clip", "by infant", "n", "infants", "always the commonest")
_NAMES = {"accuracy": "accuracy", "precision": "precision", "recall": "recall"}
_NAMES["f1"] = "F1"


@dataclass(frozen=True)
class Table:
    """A table for a person.

    Attributes:
        title: Its name and what it is about.
        header: Column names.
        rows: As many cells as the header.
        notes: Sentences below it.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def tables(found: Reproduced) -> list[Table]:
    """Returns each table of the paper with our columns."""
    made = []
    for name, about in found.paper.titles.items():
        rows = [row for row in found.rows if row.table == name]
        if not rows:
            continue
        header: tuple[str, ...] = ("row", *HEADER)
        has_files = any(row.file for row in rows)
        if has_files:
            header += ("their size", "our file")
        lines, notes = [], {}
        for row in rows:
            if row.task in found.no_clips:
                notes.setdefault((row.title, found.no_clips[row.task]), []).extend(
                    [""] * len(SPLITS)
                )
                continue
            if all(
                found.cells[row.name, split].reason == NOT_ASKED for split in SPLITS
            ):
                notes.setdefault((row.title, NOT_ASKED), []).extend(["", ""])
                continue
            for measure in row.measures:
                line = _line(found, row, measure)
                lines.append((*line, *_sizes(found, row)) if has_files else line)
            for split in SPLITS:
                reason = found.cells[row.name, split].reason
                if reason:
                    notes.setdefault((row.title, reason), []).append(_words(split))
        said = _merged(notes)
        if not any(row.task not in found.no_clips for row in rows):
            said = list(dict.fromkeys(found.no_clips[row.task] for row in rows))
        made.append(Table(f"{name}: {about}", header, tuple(lines), tuple(said)))
    return made


def _line(found: Reproduced, row: Row, measure: str) -> tuple[str, ...]:
    theirs = next((f for f in row.figures if f.measure == measure), None)
    title = row.title if measure == "accuracy" else f"{row.title}, {_NAMES[measure]}"
    cells = [found.cells[row.name, split].measured for split in SPLITS]
    figures = [cell.figures[measure] if cell else None for cell in cells]
    always = [_number(cell.majority[measure], measure) for cell in cells if cell]
    commonest = next((f" ({c.majority_label})" for c in cells if c), "")
    return (
        title,
        printed(theirs) if theirs else "–",
        *(_shown(figure, measure) for figure in figures),
        _both([f"{cell.clips}" for cell in cells if cell]),
        _both([f"{cell.groups}" for cell in cells if cell]),
        _both(always) + commonest,
    )


def _both(values: list[str]) -> str:
    """One value where both splits have it, else both; a fold has its own clips."""
    return " / ".join(dict.fromkeys(values)) or "–"


def _sizes(found: Reproduced, row: Row) -> tuple[str, str]:
    ours = "–"
    for split in SPLITS:
        made = found.cells[row.name, split].result
        if made is not None and row.file in made.file_bytes:
            size = made.file_bytes[row.file]
            ours = f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
    return row.size or "–", ours


def printed(figure: Figure) -> str:
    """Returns a figure as the paper prints it."""
    if figure.measure == "accuracy":
        return f"{100 * figure.value:.{figure.digits}f} %"
    return f"{figure.value:.{figure.digits}f}"


def _number(value: float, measure: str) -> str:
    return f"{100 * value:.1f} %" if measure == "accuracy" else f"{value:.3f}"


def _shown(estimate: Estimate | None, measure: str) -> str:
    if estimate is None or estimate.value is None:
        return "–"
    text = _number(estimate.value, measure)
    if estimate.low is None or estimate.high is None:
        return text
    bounds = (estimate.low, estimate.high)
    low, high = (_number(b, measure).removesuffix(" %") for b in bounds)
    return f"{text} ({low}-{high})"


def _words(split: Split) -> str:
    return split.replace("_", " ")


def _merged(notes: dict[tuple[str, str], list[str]]) -> list[str]:
    """Says a reason once for all the rows that have it."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for (title, reason), splits in notes.items():
        where = "" if len(splits) == len(SPLITS) else f" {splits[0]}"
        by_reason.setdefault((reason, where), []).append(title)
    return [
        f"{', '.join(titles)}{where}: {reason}"
        for (reason, where), titles in by_reason.items()
    ]
