"""The page on a budget of false alarms; its template is in `cry_tf.reports`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cry_lite import alarm_budget
from cry_lite.alarm_budget import AlarmChoice, BudgetPoint, ScoredRecording
from cry_tf.reports import pages, plots
from cry_tf.reports.tables import Table, number

_MOST_RECORDINGS = 30


@dataclass(frozen=True)
class AlarmReport:
    """The content of the page.

    Attributes:
        model: The file that holds the setting.
        choice: The setting and the curve.
        ambient: The ambient recordings.
        warnings: Sentences for the top of the page.
        facts: What was written into the model: names and values.
    """

    model: Path
    choice: AlarmChoice
    ambient: tuple[ScoredRecording, ...]
    warnings: tuple[str, ...]
    facts: Mapping[str, object]


def render(report: AlarmReport) -> str:
    """Returns the page as one HTML document."""
    choice = report.choice
    budget = choice.max_per_hour
    return pages.render(
        "alarms.html",
        title="False alarms",
        lead=(
            f"{report.model.name} with at most "
            f"{0 if budget is None else budget:g} false alarms an hour, on "
            f"{choice.recordings:,} ambient recordings of {choice.hours:.1f} h"
            + (
                f" and {choice.chosen.cries:,} of crying."
                if choice.chosen.cries
                else "."
            )
        ),
        warnings=report.warnings,
        sentences=alarm_budget.choice_sentences(choice),
        settings=_settings(choice),
        plots=[_curve(choice)],
        recordings=_recordings(report),
        quiet=max(0, len(report.ambient) - _MOST_RECORDINGS),
        facts=[(name.replace("_", " "), str(v)) for name, v in report.facts.items()],
    )


def _settings(choice: AlarmChoice) -> Table:
    header = [
        "",
        "false alarms",
        "an hour",
        "at most (95 %)",
        "recall",
        "earliest alarm",
    ]

    def row(name: str, point: BudgetPoint) -> list[str]:
        return [
            f"{name}: {alarm_budget.describe(point.decision)}",
            f"{point.false_alarms:,}",
            number(point.false_alarms_per_hour, 2),
            number(point.highest_per_hour, 2),
            number(point.recall),
            f"{alarm_budget.earliest_alarm_s(point.decision):.1f} s",
        ]

    rows = [row("chosen", choice.chosen), row("before", choice.before)]
    return Table(header, rows, strong=(0,))


def _curve(choice: AlarmChoice) -> plots.Plot:
    has_cries = choice.chosen.recall is not None

    def height(point: BudgetPoint) -> float:
        found = point.recall if has_cries else point.decision.onset_threshold
        return found or 0.0

    return plots.budget_curve(
        "Recall and false alarms" if has_cries else "Threshold and false alarms",
        [point.false_alarms_per_hour for point in choice.curve],
        [height(point) for point in choice.curve],
        (choice.chosen.false_alarms_per_hour, height(choice.chosen)),
        "share of cries detected" if has_cries else "onset threshold",
        lowest=1 / choice.hours,
        budget=choice.max_per_hour,
    )


def _recordings(report: AlarmReport) -> Table:
    decision = report.choice.chosen.decision
    rows = []
    for recording in report.ambient:
        events = recording.events(decision)
        peak = max((event.peak for event in events), default=recording.scores.max())
        count = alarm_budget.alarms_in(recording, decision)
        rows.append((count, float(peak), recording))
    rows.sort(key=lambda row: (-row[0], -row[1]))
    return Table(
        ["recording", "length", "false alarms", "highest score"],
        [
            [
                recording.name,
                f"{recording.duration_s / 60:.1f} min",
                f"{count:,}",
                number(peak),
            ]
            for count, peak, recording in rows[:_MOST_RECORDINGS]
        ],
    )
