"""Teacher, student alone and student distilled, side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cry_tf.evaluation.figures import Estimate, Summary
from cry_tf.evaluation.predictions import Predictions
from cry_tf.reports import pages, tables
from cry_tf.reports.tables import Table
from cry_tf.reproduce.papers import get

_TABLE = "Table 5"


@dataclass(frozen=True, kw_only=True)
class ComparedModel:
    """A row.

    Attributes:
        name: `teacher`, `alone` or `distilled`.
        title: In words.
        quantized: Whether it is the dynamic-range file.
        summary: Its out-of-fold figures, None where they could not be had.
        parameters: Of the network.
        file_bytes: Size of the `.tflite`, None where there is none.
        latency_ms: Median time for 10 s of sound with one thread, milliseconds.
        note: Why something is missing, or "".
        verdict: That it is not better than chance, or None.
    """

    name: str
    title: str
    quantized: bool
    summary: Summary | None
    parameters: int
    file_bytes: int | None = None
    latency_ms: float | None = None
    note: str = ""
    verdict: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON types only."""
        return dataclasses.asdict(self)

    def cells(self) -> list[str]:
        """Returns the row as plain text."""
        size = "" if self.file_bytes is None else f"{self.file_bytes / 1000:,.0f} kB"
        time = "" if self.latency_ms is None else f"{self.latency_ms:.1f} ms"
        summary = self.summary
        return [
            self.title + (", dynamic-range" if self.quantized else ""),
            _text(summary and summary.accuracy),
            _text(summary and summary.balanced_accuracy),
            _text(summary and summary.auc),
            f"{self.parameters:,}",
            size,
            time,
        ]


HEADER = (
    "",
    "accuracy",
    "balanced accuracy",
    "AUC",
    "parameters",
    "file",
    "10 s, 1 thread",
)


def always(predictions: Predictions, summary: Summary) -> list[str]:
    """Returns the row of what always answers the commonest label."""
    counts = [
        int((predictions.truth == n).sum()) for n in range(len(predictions.labels))
    ]
    label = predictions.labels[counts.index(max(counts))]
    return [
        f"always {label}",
        _text(summary.accuracy),
        _text(summary.balanced_accuracy),
        _text(summary.auc),
        "",
        "",
        "",
    ]


def remarks(rows: Sequence[ComparedModel]) -> list[str]:
    """Returns what must be known of rows: no better than chance, or not to be had."""
    return [
        f"{row.cells()[0]}: {text}"
        for row in rows
        for text in (row.verdict, row.note)
        if text
    ]


def paper_rows() -> list[list[str]]:
    """Returns Table 5 of the InfantCryNet paper: title, accuracy, size as printed."""
    return [
        [row.title, f"{100 * row.figures[0].value:.2f}", row.size]
        for row in get("infantcrynet").rows
        if row.table == _TABLE and row.figures
    ]


def render(
    rows: Sequence[ComparedModel],
    majority: list[str],
    lead: str,
    facts: Sequence[tuple[str, str]],
    notes: Sequence[str],
) -> str:
    """Returns the comparison as one HTML page.

    Args:
        rows: The models.
        majority: See `always`.
        lead: What it was measured on.
        facts: Names and values, how it was made.
        notes: What the reader should know.
    """
    made = [*(row.cells() for row in rows), majority]
    return pages.render(
        "distillation.html",
        title="Distillation",
        lead=lead,
        warnings=[*notes, *remarks(rows)],
        table=Table(
            HEADER,
            [[tables.split(cell) for cell in row] for row in made],
            [
                n
                for n, row in enumerate(rows)
                if row.name == "distilled" and not row.verdict
            ],
        ),
        paper=Table(("as the paper prints it", "accuracy, %", "size"), paper_rows()),
        facts=facts,
    )


def _text(estimate: Estimate | None) -> str:
    if estimate is None or estimate.value is None:
        return "-"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"
