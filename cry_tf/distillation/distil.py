"""One distillation: the steps of a training run, with a teacher for each fold."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cry_tf.augment.field_windows import FieldMix
from cry_tf.data.content_digest import content_sha256
from cry_tf.data.dataset import Dataset
from cry_tf.distillation.distil_report import DistilOutcome, write_comparison
from cry_tf.distillation.distill_settings import DistillSettings
from cry_tf.distillation.folds import ROWS, Folds
from cry_tf.distillation.lesson import Lesson, cut_windows
from cry_tf.distillation.run_teacher import RunTeacher, check_alike
from cry_tf.runs import provenance, result_folder
from cry_tf.runs.progress import Progress
from cry_tf.runs.run_folder import RunFolder
from cry_tf.training import field_sounds
from cry_tf.training.choose_trainer import find_policy
from cry_tf.training.context import RunContext
from cry_tf.training.judge import judge
from cry_tf.training.plan import Plan, build_network
from cry_tf.training.preparation import Prepared, draw_folds, prepare
from cry_tf.training.recipe import recipe_sentence
from cry_tf.training.train import run_context
from cry_tf.training.writing import write


def distil(
    teacher_runs: Sequence[str | os.PathLike[str]],
    dataset: Dataset,
    settings: DistillSettings,
    path: str | os.PathLike[str],
    *,
    unlabelled: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
    embeddings_dir: str | os.PathLike[str] | None = None,
    origin: str = "",
) -> RunFolder:
    """Distils runs of `cry-tf train` into a student, and writes a run folder.

    Every clip is scored by models that were not trained on its group: in each fold
    the student is trained on the fold's training clips, and so is a teacher whose run
    was trained on the fold's test clips. The final student is trained on every clip,
    with the final models of the runs as teachers.

    Args:
        teacher_runs: At least one run folder; of several the scores are averaged.
        dataset: Labelled clips with their groups.
        settings: What to train and how.
        path: The run folder to write; it appears only when complete.
        unlabelled: Folder of recordings without labels to train on, or None.
        overwrite: True replaces an earlier run.
        resume: True continues an interrupted run.
        progress: Takes lines, warnings and progress; None ignores them.
        embeddings_dir: Where teachers' embeddings are kept, see `EmbeddingCache`.
        origin: Where the data came from, for the record.

    Returns:
        The finished run. `metrics.json` holds teacher, student alone and student
        distilled under `distillation`, `distillation.html` shows them.

    Raises:
        ValueError: If labels or tasks differ, the data do not suffice, or the loss
            does not stay finite.
        FileExistsError: If a run is there, or an interrupted one.
        OSError: If something cannot be read or written.
    """
    _check(teacher_runs, settings, unlabelled)
    result_folder.check(path, overwrite)
    teachers = [RunTeacher(each) for each in teacher_runs]
    # A student is compared with its teacher and itself alone, not with baselines.
    student = dataclasses.replace(settings.student, baselines=False)
    with (
        run_context(
            path,
            overwrite=overwrite,
            resume=resume,
            progress=progress,
            embeddings_dir=embeddings_dir,
            origin=origin,
        ) as (context, part),
        tempfile.TemporaryDirectory() as work,
    ):
        find_policy(student)  # before every clip is decoded
        context.progress.line(f"recipe: {recipe_sentence(student.recipe)}")
        prepared = prepare(dataset, student, context)
        check_alike(teachers, prepared.dataset.labels, student.task)
        model, warnings = build_network(prepared, student, context)
        if settings.windows:
            prepared = _drawn(prepared, settings, model, Path(work), context)
        lesson = _lesson(prepared, settings, unlabelled, Path(work), context)
        _require_same(lesson, settings, teachers, context)
        places = draw_folds(prepared.dataset, student, context)
        for teacher in teachers:
            teacher.prepare(lesson, prepared, model.spec.sample_rate_hz, context)
        folds = Folds(model, lesson, settings, teachers, context, Path(work))
        plan = Plan(student, prepared, model, folds.trainer, places, warnings)
        found, out_of_fold = folds.cross_validate(places)
        verdict = judge(plan, out_of_fold, context)
        write(part, plan, verdict, context)
        outcome = DistilOutcome(
            settings=settings,
            teachers=teachers,
            lesson=lesson,
            predictions=verdict.predictions,
            scores={row: found[row] for row in ROWS if row in found},
            folds=folds,
            unlabelled=None if unlabelled is None else str(unlabelled),
            warning=warnings[0] if warnings else None,
        )
        write_comparison(part, outcome, model, context.progress)
    return RunFolder.open(path)


def _check(
    teacher_runs: Sequence[str | os.PathLike[str]],
    settings: DistillSettings,
    unlabelled: str | os.PathLike[str] | None,
) -> None:
    """Checks the arguments before anything is read."""
    if not teacher_runs:
        raise ValueError("A distillation takes at least one teacher. Received: none.")
    if settings.filter and unlabelled is None:
        raise ValueError(
            "The filter chooses among unlabelled windows. Received: filter=True "
            "without a folder of them. Give --unlabelled DIR."
        )
    weights = settings.teacher_weights
    if weights is not None and len(weights) != len(teacher_runs):
        raise ValueError(
            "There is one weight a teacher. Received: "
            f"{len(weights)} weights, {len(teacher_runs)} teachers."
        )


def _drawn(
    prepared: Prepared,
    settings: DistillSettings,
    model: Any,
    work: Path,
    context: RunContext,
) -> Prepared:
    """Returns windows, drawn as the recipe field draws them, as the clips."""
    spec, student = model.spec, settings.student
    mix = FieldMix(windows=settings.windows, window_s=spec.decision.window_s)
    sounds = field_sounds.draw(prepared.dataset, mix, student, spec.front_end)
    with context.progress.bar("drawn windows", len(sounds)) as advance:
        windows = field_sounds.write(sounds, prepared.dataset.labels, work, advance)
    return dataclasses.replace(prepared, dataset=windows, source=prepared.dataset)


def _lesson(
    prepared: Prepared,
    settings: DistillSettings,
    unlabelled: str | os.PathLike[str] | None,
    work: Path,
    context: RunContext,
) -> Lesson:
    windows = ()
    if unlabelled is not None:
        windows = cut_windows(
            unlabelled, prepared.dataset, settings.window_s, work, context.progress
        )
    recipe, seed = settings.student.recipe, settings.student.seed
    return Lesson(
        prepared.dataset,
        windows,
        find_policy(settings.student),
        settings.copies,
        seed,
        recipe.max_seconds,
        prepared.source,
    )


def _require_same(
    lesson: Lesson,
    settings: DistillSettings,
    teachers: Sequence[RunTeacher],
    context: RunContext,
) -> None:
    """Checks that a resumed run has the same data, settings and teachers."""
    facts: dict[str, Any] = {
        "data": {"sha256": lesson.recordings.sha256},
        "windows": [content_sha256(clip.path) for clip in lesson.windows],
        "settings": settings.to_dict(),
        "augmentation": lesson.policy and lesson.policy.fingerprint(),
        "teachers": [teacher.facts()["model_sha256"] for teacher in teachers],
        "versions": provenance.versions(),
    }
    if context.checkpoint is not None:
        context.checkpoint.require_same(facts)
