"""The page and the tables of an evaluation on annotated recordings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cry_lite.alarm_budget import describe
from cry_lite.spec import ModelSpec
from cry_tf.evaluation.alarm_curve import AlarmCurve, AlarmPoint
from cry_tf.evaluation.event_figures import EventFigures
from cry_tf.evaluation.figures import Estimate
from cry_tf.reports import pages, plots
from cry_tf.reports.plots import Plot
from cry_tf.reports.tables import Cell, Table, estimate, number
from cry_tf.runs.progress import Progress

_BAND_RATES = 25
_FIGURES = (
    ("event_f1", "event-F1"),
    ("intersection_f1", "intersection-F1"),
    ("segment_f1", "segment-F1"),
    ("psds1", "PSDS1"),
    ("psds2", "PSDS2"),
    ("onset_delay_s", "onset delay, s"),
    ("alarm_delay_s", "alarm delay, s"),
)


def event_page(
    figures: EventFigures,
    spec: ModelSpec,
    judged: dict[str, Any],
    warnings: Sequence[str],
) -> str:
    """Returns the page as one HTML document."""
    bouts = f"{figures.bouts:,} bouts of crying"
    return pages.render(
        "events.html",
        title="Cry detector over time",
        lead=(
            f"{Path(judged['model']).name} on {figures.recordings:,} recordings "
            f"({figures.hours:.2f} h) with {bouts}; {figures.hours_without:.2f} h are "
            "without crying."
        ),
        warnings=warnings,
        alarms=_alarms(figures),
        curve=[curve_plot(figures.curve, figures.own)],
        conditions=_conditions(figures, judged["by"]),
        figures=Table(
            [name for _, name in _FIGURES],
            [[estimate(getattr(figures, field)) for field, _ in _FIGURES]],
        ),
        definitions=judged["definitions"],
        facts=(
            ("model", f"{judged['model']}, sha256 {judged['model_sha256']}"),
            ("recordings and events", judged["data"]),
            ("an event", describe(spec.decision)),
            (
                "a bout",
                f"cries with less than {judged['merge_gap_s']:g} s between them",
            ),
            (
                "versions",
                ", ".join(
                    f"{name} {text}" for name, text in judged["versions"].items()
                ),
            ),
        ),
    )


def curve_plot(curve: AlarmCurve, own: AlarmPoint) -> Plot:
    """Draws the whole curve with the band of its 95 % intervals."""
    hours = float(curve.hours.sum())
    lowest = min(0.1, 1 / hours) if hours else 0.1
    grid = np.geomspace(lowest, 100, _BAND_RATES)
    marked = None
    if own.recall.value is not None and own.false_alarms_per_hour.value is not None:
        marked = (
            own.false_alarms_per_hour.value,
            own.recall.value,
            "the model’s threshold",
        )
    return plots.alarm_curve(
        "Recall against false alarms an hour",
        curve.rates,
        curve.recalls,
        grid,
        curve.band(grid),
        lowest,
        marked,
    )


def print_events(progress: Progress, figures: EventFigures, merge_gap_s: float) -> None:
    """Prints the tables."""
    progress.line()
    progress.line(
        f"{figures.recordings} recordings, {figures.hours:.2f} h, {figures.bouts} "
        f"bouts of crying (pauses below {merge_gap_s:g} s belong to a bout); "
        f"{figures.hours_without:.2f} h without crying"
    )
    progress.line()
    header = ["threshold", "", "recall", "false alarms", "an hour"]
    points = [("the model's", figures.own)]
    points += [(f"best at {rate:g} an hour", point) for rate, point in figures.at_rates]
    progress.table(
        header,
        [
            [
                name,
                "-" if point.threshold is None else f"{point.threshold:.3f}",
                _text(point.recall),
                str(point.false_alarms),
                _text(point.false_alarms_per_hour, 2),
            ]
            for name, point in points
        ],
    )
    if figures.conditions:
        progress.line()
        progress.table(
            ["condition", "bouts", "recall"]
            + [f"at {rate:g} an hour" for rate, _ in figures.at_rates],
            [
                [each.name, str(each.bouts), _text(each.recall)]
                + [_text(recall) for recall in each.at_rates]
                for each in figures.conditions
            ],
        )
    progress.line()
    progress.table(
        ["figure", "value"],
        [[name, _text(getattr(figures, field))] for field, name in _FIGURES],
    )
    progress.line("  (95 % intervals by recording in brackets)")
    progress.line()


def _alarms(figures: EventFigures) -> Table:
    header = ["threshold", "score", "recall", "false alarms", "false alarms an hour"]
    points = [("the model’s", figures.own)]
    points += [(f"best at {rate:g} an hour", point) for rate, point in figures.at_rates]
    rows: list[list[Cell | str]] = [
        [
            name,
            number(point.threshold),
            estimate(point.recall),
            f"{point.false_alarms:,}",
            estimate(point.false_alarms_per_hour),
        ]
        for name, point in points
    ]
    return Table(header, rows, strong=(0,))


def _conditions(figures: EventFigures, by: str | None) -> Table | None:
    if not figures.conditions:
        return None
    header = ["condition", "bouts", "recall"]
    header += [f"recall at {rate:g} an hour" for rate, _ in figures.at_rates]
    rows = [
        [f"{by} {each.name}", f"{each.bouts:,}", estimate(each.recall)]
        + [estimate(recall) for recall in each.at_rates]
        for each in figures.conditions
    ]
    return Table(header, rows)


def _text(found: Estimate, digits: int = 3) -> str:
    if found.value is None:
        return "-"
    value = f"{found.value:.{digits}f}"
    if found.low is None or found.high is None:
        return value
    return f"{value} ({found.low:.{digits}f}-{found.high:.{digits}f})"
