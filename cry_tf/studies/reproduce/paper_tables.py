"""Writes the tables: the paper's figures beside ours, as HTML and JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cry_lite import atomic
from cry_tf.evaluation.figures import Estimate
from cry_tf.papers.papers import Paper
from cry_tf.papers.row import Figure, Row
from cry_tf.reports import pages
from cry_tf.reports import tables as report_tables
from cry_tf.runs.progress import Progress
from cry_tf.runs.provenance import versions
from cry_tf.runs.result_folder import write_json
from cry_tf.studies.reproduce.budget import budget_sentence, loss_for, settings_for
from cry_tf.studies.reproduce.cells import NOT_ASKED, Reproduced
from cry_tf.studies.reproduce.clips import SPLITS, Split

HEADER = ("theirs", "by clip", "by infant", "n", "infants", "always the commonest")
_NAMES = {"accuracy": "accuracy", "precision": "precision", "recall": "recall"}
_NAMES["f1"] = "F1"


@dataclass(frozen=True)
class PaperTable:
    """One table of the paper, as text.

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


def tables(found: Reproduced) -> list[PaperTable]:
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
        sentences = _merged(notes)
        if not any(row.task not in found.no_clips for row in rows):
            sentences = list(dict.fromkeys(found.no_clips[row.task] for row in rows))
        made.append(
            PaperTable(f"{name}: {about}", header, tuple(lines), tuple(sentences))
        )
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
    """Joins the values of both splits, or returns one if they are equal."""
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
    """Merges rows that have the same reason into one sentence."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for (title, reason), splits in notes.items():
        where = "" if len(splits) == len(SPLITS) else f" {splits[0]}"
        by_reason.setdefault((reason, where), []).append(title)
    return [
        f"{', '.join(titles)}{where}: {reason}"
        for (reason, where), titles in by_reason.items()
    ]


FORMAT = "cry-tf tables 1"


def to_dict(found: Reproduced) -> dict[str, Any]:
    """Returns everything as JSON types."""
    return {
        "format": FORMAT,
        "paper": found.paper.name,
        "citation": found.paper.citation,
        "setup": found.paper.setup,
        "synthetic": found.is_synthetic,
        "warnings": list(found.warnings),
        "budget": found.budget.name,
        "left_out_by_budget": list(found.budgets),
        "seed": found.seed,
        "data": {
            "origin": found.origin,
            "sha256": found.data_sha256,
            "clips": len(found.dataset),
            "of_clips": found.clips_there,
            "groups": len(set(found.dataset.groups)),
            "grouping": found.dataset.grouping,
            "left_out": found.left_out,
        },
        "versions": versions(),
        "rows": [_row_dict(found, row) for row in found.rows],
    }


def _row_dict(found: Reproduced, row: Row) -> dict[str, Any]:
    settings = settings_for(row, found.budget, found.seed)
    values = dataclasses.asdict(row)
    values["budget"] = budget_sentence(row, found.budget)
    values["settings"] = settings.to_dict()
    values["loss"] = loss_for(row, found.budget, found.seed)
    for split in SPLITS:
        cell = found.cells[row.name, split]
        values[split] = {"reason": cell.reason}
        if cell.result is not None and cell.measured is not None:
            values[split] |= cell.measured.to_dict()
            values[split] |= {
                "file_bytes": cell.result.file_bytes.get(row.file),
                "weights_source": cell.result.weights,
                "training_accuracy": cell.result.training_accuracy,
                "seconds": cell.result.seconds,
            }
    return values


TABLES = "tables.json"
INTERVALS = (
    "95 % interval, 1,000 bootstrap draws of whole infants (groups) in "
    "both columns; none for one infant. Where n, infants or the commonest label's "
    "score differ, by clip / by infant."
)


def check(path: Path, paper: Paper) -> None:
    """Refuses a folder that has other content than tables of this paper.

    Raises:
        FileExistsError: If it does.
    """
    if not path.exists():
        return
    if not path.is_dir():
        raise FileExistsError(f"The output must be a folder. {path} is a file.")
    if not any(path.iterdir()):
        return
    try:
        held = json.loads((path / TABLES).read_text("utf-8"))
        name = held["paper"] if held["format"] == FORMAT else None
    except (OSError, ValueError, KeyError, TypeError):
        name = None
    if name != paper.name:
        raise FileExistsError(
            f"The output must be a new folder, or one where {paper.name} was "
            f"reproduced before. {path} holds "
            f"{f'the tables of {name}' if name else 'something else'}, which is left "
            "alone. Choose another folder."
        )


def write(path: Path, found: Reproduced, warn: Callable[[str], None]) -> None:
    """Writes `tables.json`, `tables.md` and `report.html`, each whole.

    Args:
        path: The folder.
        found: The tables as far as they are done.
        warn: Takes a line if the report cannot be written; the rest stays.

    Raises:
        OSError: If one cannot be written.
    """
    path.mkdir(parents=True, exist_ok=True)
    with atomic.replacing(path / TABLES) as part:
        write_json(part, to_dict(found))
    atomic.write_bytes(path / "tables.md", _markdown(found).encode())
    pages.write(path / "report.html", lambda: _html(found), warn)


def print_tables(progress: Progress, found: Reproduced) -> None:
    """Prints the tables."""
    for made in tables(found):
        progress.line()
        progress.line(made.title)
        if made.rows:
            progress.table(made.header, made.rows)
        for note in made.notes:
            progress.line(f"  {note}")
    progress.line()
    progress.line(f"  (in brackets: {INTERVALS})")
    for sentence in (*found.budgets, *found.warnings):
        progress.line(f"  {sentence}")
    progress.line()


def _title(found: Reproduced) -> str:
    kind = ", on synthetic clips" if found.is_synthetic else ""
    return f"The tables of {found.paper.name}, theirs beside ours{kind}"


def _markdown(found: Reproduced) -> str:
    parts = [f"# {_title(found)}", found.paper.citation, found.paper.setup]
    parts += [f"> **{sentence}**" for sentence in found.warnings]
    parts += list(found.budgets)
    for made in tables(found):
        parts += [f"## {made.title}"]
        parts += [_markdown_table(made)] if made.rows else []
        parts += ["\n".join(f"- {note}" for note in made.notes)] if made.notes else []
    parts += [f"In brackets: {INTERVALS}"]
    parts += ["\n".join(f"- {name}: {value}" for name, value in _facts(found))]
    return "\n\n".join(parts) + "\n"


def _markdown_table(made: PaperTable) -> str:
    lines = [made.header, ("---", *["---:"] * (len(made.header) - 1)), *made.rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |"
        for line in lines
    )


def _html(found: Reproduced) -> str:
    return pages.render(
        "reproduction.html",
        title=_title(found),
        lead=f"{found.paper.citation}. {found.paper.setup}",
        warnings=(*found.warnings, *found.budgets),
        tables=[
            (
                made.title,
                report_tables.Table(
                    made.header,
                    [[report_tables.split(cell) for cell in row] for row in made.rows],
                ),
                made.notes,
            )
            for made in tables(found)
        ],
        intervals=INTERVALS,
        facts=_facts(found),
    )


def _facts(found: Reproduced) -> list[tuple[str, str]]:
    data = found.dataset
    recipes = dict.fromkeys(row.recipe for row in found.rows)
    return [
        ("data", f"{found.origin or 'a Dataset'}, sha256 {found.data_sha256}"),
        ("clips", f"{data!r}, {found.left_out} left out"),
        ("groups", data.grouping),
        ("recipe", f"{', '.join(recipes)}; tables.json has every number of it"),
        ("seed", str(found.seed)),
        ("versions", ", ".join(f"{k} {v}" for k, v in versions().items())),
    ]
