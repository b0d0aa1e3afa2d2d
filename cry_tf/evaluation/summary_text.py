"""The figures of an evaluation as plain tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cry_tf.evaluation.detection import OperatingPoint
from cry_tf.evaluation.figures import Estimate, Metrics, Summary
from cry_tf.evaluation.verdict import verdict


class Teller(Protocol):
    """What takes the tables."""

    def line(self, text: str = "") -> None:
        """Takes a sentence."""
        ...

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Takes a table."""
        ...


def tell(
    teller: Teller,
    metrics: Metrics,
    operating_points: Sequence[tuple[str, OperatingPoint]] = (),
    baselines: Sequence[tuple[str, Summary]] = (),
) -> None:
    """Prints the tables: the model beside baselines, the labels, the thresholds.

    Args:
        teller: What takes the tables.
        metrics: Figures of the model.
        operating_points: Of a detector: what each threshold is, and what it does.
        baselines: Names and figures of other methods on the same clips.
    """
    teller.line()
    header = ["", "n", "accuracy", "balanced accuracy", "macro-F1", "AUC"]
    teller.table(
        header,
        [
            _row("this model", metrics, metrics.model),
            *(_row(name, metrics, summary) for name, summary in baselines),
            _row(f"always {metrics.majority_label}", metrics, metrics.majority),
        ],
    )
    teller.line("  (95 % intervals by group in brackets)")
    teller.line()
    teller.table(
        ["label", "n", "groups", "precision", "recall", "F1"],
        [
            [
                entry.label,
                str(entry.clips),
                str(entry.groups),
                _text(entry.precision),
                _text(entry.recall),
                _text(entry.f1),
            ]
            for entry in metrics.labels
        ],
    )
    if operating_points:
        teller.line()
        teller.table(
            ["threshold", "recall", "false alarms", "an hour"],
            [
                [
                    name,
                    _number(point.recall),
                    str(point.false_alarms),
                    _number(point.false_alarms_per_hour, digits=1),
                ]
                for name, point in operating_points
            ],
        )
        hours = operating_points[0][1].negative_hours
        teller.line(
            f"  (false alarms: {operating_points[0][1].counted}, counted on "
            f"{hours:.2f} hours without crying)"
        )
    if sentence := verdict(metrics):
        teller.line()
        teller.line(sentence)
    teller.line()


def _row(name: str, metrics: Metrics, summary: Summary) -> list[str]:
    figures = [
        summary.accuracy,
        summary.balanced_accuracy,
        summary.macro_f1,
        summary.auc,
    ]
    return [name, str(metrics.clips), *(_text(figure) for figure in figures)]


def _text(estimate: Estimate) -> str:
    if estimate.value is None:
        return "-"
    if estimate.low is None:
        return _number(estimate.value)
    low, high = _number(estimate.low), _number(estimate.high)
    return f"{_number(estimate.value)} ({low}-{high})"


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
