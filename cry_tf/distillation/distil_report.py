"""Teacher, student alone and student distilled side by side, as a table and a page."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cry_tf.distillation.distill_settings import DistillSettings
from cry_tf.distillation.folds import Folds
from cry_tf.distillation.lesson import Lesson
from cry_tf.distillation.run_teacher import RunTeacher
from cry_tf.evaluation.figures import Estimate, Summary
from cry_tf.evaluation.metrics import measure
from cry_tf.papers.papers import get
from cry_tf.reports import pages, tables
from cry_tf.reports.tables import Table
from cry_tf.runs.predictions import Predictions
from cry_tf.runs.progress import Progress
from cry_tf.runs.result_folder import write_json

_TABLE = "Table 5"


@dataclass(frozen=True, kw_only=True)
class ComparedModel:
    """One row of the comparison.

    Attributes:
        name: `teacher`, `alone` or `distilled`.
        title: In words.
        quantized: Whether it is the dynamic-range file.
        summary: Out-of-fold figures; None where there are none.
        parameters: Number of parameters of the network.
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
    """Returns the row of a baseline that always gives the commonest label."""
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
    """Returns a remark for each row without figures, or no better than chance."""
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
        majority: Row of the commonest label, see `always`.
        lead: Clips, groups and folds, a sentence.
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


PAGE = "distillation.html"
_SEVERAL = "several teachers together are no single file"


@dataclass(frozen=True, kw_only=True)
class DistilOutcome:
    """A finished distillation, before it is written down.

    Attributes:
        settings: What was asked for.
        teachers: The teachers.
        lesson: The clips.
        predictions: Out-of-fold scores of the distilled student.
        scores: By row, the scores of the model and of its dynamic-range file.
        folds: Knows what files were refused, and what the filter let in.
        unlabelled: Folder of unlabelled recordings, or None.
        warning: What makes the figures too good, or None.
    """

    settings: DistillSettings
    teachers: Sequence[RunTeacher]
    lesson: Lesson
    predictions: Predictions
    scores: dict[str, list[np.ndarray | None]]
    folds: Folds
    unlabelled: str | None
    warning: str | None


def write_comparison(
    folder: Path, outcome: DistilOutcome, student: Any, progress: Progress
) -> None:
    """Adds the comparison to `metrics.json` and `config.json`, and a page.

    Args:
        folder: The run folder; its JSON files are completed.
        outcome: What was found.
        student: The final student.
        progress: Takes the table.
    """
    rows = _rows(outcome, student)
    predictions = outcome.predictions
    majority = measure(predictions).majority
    settings = outcome.settings
    teachers = [teacher.facts() for teacher in outcome.teachers]
    about = {
        "teachers": teachers,
        "settings": settings.to_dict(),
        "unlabelled": outcome.unlabelled,
        "windows": len(outcome.lesson.windows),
        "windows_with_a_label": outcome.folds.entered,
        "thresholds": outcome.folds.thresholds,
    }
    _add(folder / "config.json", about)
    _add(
        folder / "metrics.json",
        {"rows": [row.to_dict() for row in rows], "paper": paper_rows()},
    )
    lead = (
        f"{len(predictions.files):,} clips in {len(set(predictions.groups)):,} groups, "
        f"{settings.student.folds} folds by group, seed {settings.student.seed}: every "
        "clip is scored by models that were not trained on its group, the teachers "
        "included."
    )
    always_row = always(predictions, majority)
    notes = [outcome.warning] if outcome.warning else []
    facts = _facts(outcome, teachers)
    pages.write(
        folder / PAGE,
        lambda: render(rows, always_row, lead, facts, notes),
        progress.warn,
    )
    progress.line()
    progress.table(HEADER, [*(row.cells() for row in rows), always_row])
    for remark in remarks(rows):
        progress.warn(remark)


def _rows(outcome: DistilOutcome, student: Any) -> list[ComparedModel]:
    names = [teacher.name for teacher in outcome.teachers]
    titles = {
        "teacher": f"teacher, {' + '.join(names)}",
        "alone": f"{outcome.settings.student.backbone} alone",
        "distilled": f"{outcome.settings.student.backbone} distilled",
    }
    # Alone and distilled are one network: its file is as large and as fast.
    models: dict[str, Any] = {"distilled": student, "alone": student}
    if len(names) == 1:
        models["teacher"] = outcome.teachers[0].model
    made = _files(outcome, models)
    rows = []
    for name, scores in outcome.scores.items():
        for is_quantized, found in enumerate(scores):
            if is_quantized and not outcome.settings.quantized:
                continue
            file = made.get((name, bool(is_quantized)))
            note = outcome.folds.files.refused.get(name, "") if is_quantized else ""
            if is_quantized and name == "teacher" and len(names) > 1:
                note = _SEVERAL
            parameters = (
                models[name].count_params()
                if name in models
                else sum(each.model.count_params() for each in outcome.teachers)
            )
            metrics = None
            if found is not None:
                metrics = measure(outcome.predictions.replace(scores=found))
            rows.append(
                ComparedModel(
                    name=name,
                    title=titles[name],
                    quantized=bool(is_quantized),
                    summary=metrics and metrics.model,
                    verdict=metrics and metrics.verdict,
                    parameters=parameters,
                    file_bytes=file.file_bytes if file else None,
                    latency_ms=file.latency_ms if file else None,
                    note=note,
                )
            )
    return rows


def _files(
    outcome: DistilOutcome, models: dict[str, Any]
) -> dict[tuple[str, bool], Any]:
    """Returns size and speed by row and whether it is quantized."""
    if not outcome.settings.quantized:
        return {}
    files, clips = outcome.folds.files, outcome.lesson.labelled
    found = {}
    for is_quantized, quantize in ((False, "none"), (True, "dynamic")):
        for name in ("teacher", "distilled"):
            if name in models:
                made = files.measure(name, models[name], clips, quantize)
                found[name, is_quantized] = made
        found["alone", is_quantized] = found["distilled", is_quantized]
    return found


def _facts(
    outcome: DistilOutcome, teachers: Sequence[dict[str, Any]]
) -> list[tuple[str, str]]:
    settings = outcome.settings
    rows = [
        (
            "teacher",
            f"{each['backbone']}, recipe {each['recipe']}, {each['run']}, "
            f"sha256 {each['model_sha256']}",
        )
        for each in teachers
    ]
    rows.append(("temperature", f"{settings.temperature:g}"))
    rows.append(("alpha", f"{settings.alpha:g}, the share of the labels in the loss"))
    if settings.copies:
        recipe = settings.student.recipe
        rows.append(("copies", f"{settings.copies} of each clip, {recipe.augment}"))
    if outcome.unlabelled is not None:
        rows.append(("unlabelled", f"{len(outcome.lesson.windows)} windows"))
    if outcome.folds.entered is not None:
        sure = "; ".join(
            ", ".join(
                f"{label} from {edge:.2f}" if edge is not None else f"{label} never"
                for label, edge in each.items()
            )
            for each in outcome.folds.thresholds
        )
        rows.append(
            ("filter", f"{outcome.folds.entered} windows got a pseudo-label; {sure}")
        )
    return rows


def _add(path: Path, values: dict[str, Any]) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    write_json(path, content | {"distillation": values})
