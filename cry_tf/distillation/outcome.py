"""Writes what a distillation found beside the record of its run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cry_tf.distillation import comparison
from cry_tf.distillation.comparison import ComparedModel
from cry_tf.distillation.folds import Folds
from cry_tf.distillation.lesson import Lesson
from cry_tf.distillation.run_teacher import RunTeacher
from cry_tf.distillation.settings import DistillSettings
from cry_tf.evaluation.metrics import measure
from cry_tf.evaluation.predictions import Predictions
from cry_tf.evaluation.verdict import verdict
from cry_tf.reports import pages
from cry_tf.runs.progress import Listener
from cry_tf.runs.result_folder import write_json

PAGE = "distillation.html"
_SEVERAL = "several teachers together are no single file"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A finished distillation, before it is written down.

    Attributes:
        settings: What was asked for.
        teachers: Who taught.
        lesson: What was heard.
        predictions: Of the distilled student, out of fold.
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
    folder: Path, outcome: Outcome, student: Any, listener: Listener
) -> None:
    """Adds the comparison to `metrics.json` and `config.json`, and a page.

    Args:
        folder: Of the run, whose record is written.
        outcome: What was found.
        student: The final student.
        listener: Hears the table.
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
        {"rows": [row.to_dict() for row in rows], "paper": comparison.paper_rows()},
    )
    lead = (
        f"{len(predictions.files):,} clips in {len(set(predictions.groups)):,} groups, "
        f"{settings.student.folds} folds by group, seed {settings.student.seed}: every "
        "clip is scored by models that were not trained on its group, the teachers "
        "included."
    )
    always = comparison.always(predictions, majority)
    notes = [outcome.warning] if outcome.warning else []
    facts = _facts(outcome, teachers)
    pages.write(
        folder / PAGE,
        lambda: comparison.render(rows, always, lead, facts, notes),
        listener.warn,
    )
    listener.line()
    listener.table(comparison.HEADER, [*(row.cells() for row in rows), always])
    for remark in comparison.remarks(rows):
        listener.warn(remark)


def _rows(outcome: Outcome, student: Any) -> list[ComparedModel]:
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
                    verdict=metrics and verdict(metrics),
                    parameters=parameters,
                    file_bytes=file.file_bytes if file else None,
                    latency_ms=file.latency_ms if file else None,
                    note=note,
                )
            )
    return rows


def _files(outcome: Outcome, models: dict[str, Any]) -> dict[tuple[str, bool], Any]:
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
    outcome: Outcome, teachers: Sequence[dict[str, Any]]
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
        rows.append(("filter", f"{outcome.folds.entered} windows entered; {sure}"))
    return rows


def _add(path: Path, values: dict[str, Any]) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    write_json(path, content | {"distillation": values})
