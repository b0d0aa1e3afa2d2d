"""What the report of a personal model or of a study shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cry_tf.data.grouping import plural
from cry_tf.evaluation.figures import Estimate
from cry_tf.personal.comparison import HEARD, SEEN, UNSEEN, WITHIN, Comparison, Row
from cry_tf.reports import pages, plots
from cry_tf.reports.plots import Bar, Plot
from cry_tf.reports.tables import DASH, Cell, Table, estimate

_COLOURS = {SEEN: "accent", UNSEEN: "contrast", HEARD: "contrast"}
_SHORT = 14


@dataclass(frozen=True)
class PersonalReport:
    """What a report says.

    Attributes:
        title: First line.
        lead: A sentence: which run, which clips.
        comparisons: The most trustworthy first.
        warnings: Sentences that the reader must know first.
        overall: `metrics.json` of the run: how it does with unseen infants.
        plots: Further drawings.
        facts: How it was made: name and value.
    """

    title: str
    lead: str
    comparisons: tuple[Comparison, ...]
    warnings: tuple[str, ...] = ()
    overall: dict[str, Any] | None = None
    plots: tuple[Plot, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()


def render(report: PersonalReport) -> str:
    """Returns the report as one HTML document."""
    judged = [entry for entry in report.comparisons if entry.rows]
    chosen = [entry for entry in judged if 1 < len(entry.infants) <= 60]
    return pages.render(
        "personal.html",
        title=report.title,
        lead=report.lead,
        warnings=report.warnings,
        comparisons=[
            (entry.title, _sentence(entry), _table(entry), accuracy_bars(entry))
            for entry in judged
        ],
        too_few=[entry.title for entry in report.comparisons if not entry.rows],
        infant_plots=[infant_dots(entry) for entry in chosen[:2]],
        overall=report.overall,
        overall_table=None if report.overall is None else _overall(report.overall),
        plots=report.plots,
        facts=report.facts,
    )


def accuracy_bars(comparison: Comparison) -> Plot:
    """Draws the accuracy of each row with its 95 % interval."""
    return plots.interval_bars(
        "Accuracy",
        [row.name for row in comparison.rows],
        [
            [Bar(row.accuracy, _COLOURS.get(row.kind, "muted"))]
            for row in comparison.rows
        ],
        "share of clips right, with 95 % interval",
    )


def infant_dots(comparison: Comparison) -> Plot:
    """Draws how often each method is right with each infant, one line each."""
    seen = next(row.name for row in comparison.rows if row.kind == SEEN)
    unseen = comparison.run_row.name
    return plots.share_dots(
        comparison.title,
        [
            (
                f"{_short(entry.name)}, n = {entry.clips}",
                entry.right[seen],
                entry.right[unseen],
                entry.right[WITHIN],
            )
            for entry in comparison.infants
        ],
        ("seen", "unseen", "majority within"),
        "share of the infant’s clips right",
        f"n: clips judged. Seen: {seen.split(', ', 1)[1]}.",
    )


def _short(name: str) -> str:
    return name if len(name) <= _SHORT else f"{name[:6]}…{name[-6:]}"


def _sentence(entry: Comparison) -> str:
    count = f"{plural(entry.clips, 'clip')} of {plural(len(entry.infants), 'infant')}"
    if entry.answers > entry.clips:
        count += f", {entry.answers:,} answers"
    sentence = f"{count}: {entry.sentence}."
    if entry.not_judged:
        sentence += f" {entry.not_judged:,} more could not be judged: nothing that may "
        sentence += "be learned from is left."
    return sentence


def _table(entry: Comparison) -> Table:
    header = ["", "accuracy", "balanced accuracy", "macro-F1", "p", "gained / lost"]
    strong = [i for i, row in enumerate(entry.rows) if row.p_value is not None]
    return Table(header, [_cells(row) for row in entry.rows], strong)


def _cells(row: Row) -> list[Cell | str]:
    pair = Cell(DASH)
    if row.gained is not None and row.sign_p_value is not None:
        pair = Cell(f"{row.gained} / {row.lost}", f"p {_p(row.sign_p_value)}")
    return [
        row.name,
        estimate(row.accuracy),
        estimate(row.balanced_accuracy),
        estimate(row.macro_f1),
        DASH if row.p_value is None else _p(row.p_value).removeprefix("= "),
        pair,
    ]


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def _overall(metrics: dict[str, Any]) -> Table:
    header = ["", "accuracy", "balanced accuracy", "macro-F1"]
    rows = [
        [name]
        + [
            estimate(Estimate(**metrics[key][figure]))
            for figure in ("accuracy", "balanced_accuracy", "macro_f1")
        ]
        for name, key in (
            ("unseen infant, the run", "model"),
            (f"always “{metrics['majority_label']}”", "majority"),
        )
    ]
    return Table(header, rows, strong=(0,))
