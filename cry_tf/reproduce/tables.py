"""Theirs beside ours, as rows of text and as JSON."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from cry_tf.data.dataset import Dataset
from cry_tf.evaluation.figures import Estimate
from cry_tf.reproduce.budget import Budget, budget_sentence, settings_for
from cry_tf.reproduce.clips import BY_CLIP, SPLITS, Split
from cry_tf.reproduce.measuring import Measured
from cry_tf.reproduce.papers import Paper
from cry_tf.reproduce.result import Result
from cry_tf.reproduce.row import Figure, Row
from cry_tf.training.record import versions

FORMAT = "cry-tf tables 1"
SYNTHETIC = (
    "SYNTHETIC: these clips were computed, not recorded, and their labels are true by "
    "construction. No figure here is evidence about real infants."
)
NOT_ASKED = "not asked for (--rows)"
HEADER = ("theirs", "by clip", "by infant", "n", "infants", "always the commonest")
_NAMES = {"accuracy": "accuracy", "precision": "precision", "recall": "recall"}
_NAMES["f1"] = "F1"


@dataclass(frozen=True)
class Cell:
    """One row on one split.

    Attributes:
        result: What was trained, or None.
        reason: Why there is no figure, or "".
        measured: The part that the row shows, or None.
    """

    result: Result | None
    reason: str
    measured: Measured | None = None


@dataclass(frozen=True)
class Reproduced:
    """The tables as far as they are done; `cells` fills up on the way.

    Attributes:
        paper: Whose tables.
        rows: Every row.
        cells: By name of the row and split.
        budget: How much training was asked for.
        dataset: The usable clips.
        data_sha256: Their digest.
        left_out: Number of clips that could not be used.
        seed: Of folds, weights and order.
        is_synthetic: Whether the clips say that they were computed.
        origin: Where the data came from.
    """

    paper: Paper
    rows: tuple[Row, ...]
    cells: dict[tuple[str, Split], Cell]
    budget: Budget
    dataset: Dataset
    data_sha256: str
    left_out: int
    seed: int
    is_synthetic: bool
    origin: str

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader must know first."""
        found = [BY_CLIP]
        if self.is_synthetic:
            found.insert(0, SYNTHETIC)
        if self.paper.stand_in:
            found.append(self.paper.stand_in)
        infants, labelled = set(self.dataset.groups), len(self.dataset)
        if len(infants) == labelled:
            found.append(
                "No clip shares a source with another: by infant is by clip here. "
                + self.dataset.grouping
            )
        return tuple(found)

    @property
    def budgets(self) -> tuple[str, ...]:
        """What the budget left out, each sentence once."""
        said = (budget_sentence(row, self.budget) for row in self.rows)
        return tuple(dict.fromkeys(sentence for sentence in said if sentence))


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
        has_files = any(row.size for row in rows)
        if has_files:
            header += ("their size", "our file")
        lines, notes = [], {}
        for row in rows:
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
        made.append(Table(f"{name}: {about}", header, tuple(lines), tuple(said)))
    return made


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
        "seed": found.seed,
        "data": {
            "origin": found.origin,
            "sha256": found.data_sha256,
            "clips": len(found.dataset),
            "groups": len(set(found.dataset.groups)),
            "grouping": found.dataset.grouping,
            "left_out": found.left_out,
        },
        "versions": versions(),
        "rows": [_row_dict(found, row) for row in found.rows],
    }


def _row_dict(found: Reproduced, row: Row) -> dict[str, Any]:
    settings = None if row.needs else settings_for(row, found.budget, found.seed)
    values = dataclasses.asdict(row)
    values["budget"] = budget_sentence(row, found.budget)
    values["settings"] = settings.to_dict() if settings else None
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
            ours = f"{made.file_bytes[row.file] / 1e6:.1f} MB"
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
