"""The figures of an evaluation as plain tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from cry_tf.evaluation.detection import OperatingPoint
from cry_tf.evaluation.domains import DomainFigures, DomainReport
from cry_tf.evaluation.figures import Estimate, Metrics, Summary
from cry_tf.runs.progress import Progress


def print_tables(
    progress: Progress,
    metrics: Metrics,
    operating_points: Sequence[tuple[str, OperatingPoint]] = (),
    baselines: Sequence[tuple[str, Summary]] = (),
    domains: DomainReport | None = None,
) -> None:
    """Prints the tables: the model beside baselines, the labels, the thresholds.

    Args:
        progress: Takes them.
        metrics: Figures of the model.
        operating_points: Of a detector: what each threshold is, and what it does.
        baselines: Names and figures of other methods on the same clips.
        domains: Figures of a detector by recorder or data set.
    """
    progress.line()
    header = ["", "n", "accuracy", "balanced accuracy", "macro-F1", "AUC"]
    progress.table(
        header,
        [
            _row("this model", metrics, metrics.model),
            *(_row(name, metrics, summary) for name, summary in baselines),
            _row(f"always {metrics.majority_label}", metrics, metrics.majority),
        ],
    )
    progress.line("  (95 % intervals by group in brackets)")
    progress.line()
    progress.table(
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
        progress.line()
        progress.table(
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
        progress.line(
            f"  (false alarms: {operating_points[0][1].counted}, counted on "
            f"{hours:.2f} hours without crying)"
        )
    if domains is not None:
        _print_domains(progress, domains)
    if sentence := metrics.verdict:
        progress.line()
        progress.line(sentence)
    progress.line()


# A column with hundreds of recorders fills no terminal; metrics.json has them all.
_SHOWN_DOMAINS = 20


def _print_domains(progress: Progress, found: DomainReport) -> None:
    """Prints a line each for what should be known, and the tables of two or more."""
    if len(found.domains) > 1:
        _domain_table(progress, "domain", found.domains)
        if found.within_auc.value is not None:
            progress.line(
                "  (AUC over pairs of a cry and another sound of one domain: "
                f"{_text(found.within_auc)})"
            )
    if found.left_out:
        _domain_table(progress, "trained without", found.left_out)
        progress.line("  (nor on its groups; the threshold was chosen without it)")
    progress.line()
    for sentence in found.notes:
        progress.line(sentence)


def _domain_table(
    progress: Progress, title: str, domains: Sequence[DomainFigures]
) -> None:
    header = [title, "cries", "others", "threshold"]
    header += ["recall", "false-positive rate", "AUC"]
    progress.line()
    progress.table(
        header,
        [
            [
                entry.domain,
                str(entry.positives),
                str(entry.negatives),
                f"{entry.threshold:.2f}",
                _text(entry.recall),
                _text(entry.false_positive_rate),
                _text(entry.auc),
            ]
            for entry in domains[:_SHOWN_DOMAINS]
        ],
    )
    if len(domains) > _SHOWN_DOMAINS:
        progress.line(f"  (and {len(domains) - _SHOWN_DOMAINS} more in metrics.json)")


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
