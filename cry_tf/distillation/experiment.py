"""One distillation: cross-validation with honest teachers, and a final student."""

from __future__ import annotations

import csv
import dataclasses
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from cry_hub.weights.shipped import heard_by
from cry_tf.data.content import content_sha256
from cry_tf.data.dataset import Dataset
from cry_tf.distillation.folds import ROWS, Folds
from cry_tf.distillation.lesson import Lesson
from cry_tf.distillation.outcome import Outcome, write_comparison
from cry_tf.distillation.run_teacher import RunTeacher, check_alike
from cry_tf.distillation.settings import DistillSettings
from cry_tf.distillation.unlabelled import cut_windows
from cry_tf.evaluation.judgement import pretrained_overlap
from cry_tf.evaluation.metrics import measure
from cry_tf.evaluation.threshold import ChosenThreshold
from cry_tf.models import CryClassifier, CryDetector
from cry_tf.models.preset import load_backbone
from cry_tf.runs import result_folder
from cry_tf.runs.checkpoint import KeptRun
from cry_tf.runs.progress import Listener, Silence
from cry_tf.runs.run_folder import MODEL_FILE, RunFolder
from cry_tf.training import report
from cry_tf.training.choose_trainer import find_policy
from cry_tf.training.cross_validation import HistoryRow, fold_of_clip, predictions_of
from cry_tf.training.preparation import Prepared, check_folds, prepare
from cry_tf.training.recipe import recipe_sentence

_OFFSET_SHARE = 0.8  # as in `cry_tf.training.train`


def distil(
    teacher_runs: Sequence[str | os.PathLike[str]],
    dataset: Dataset,
    settings: DistillSettings,
    path: str | os.PathLike[str],
    *,
    unlabelled: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    listener: Listener | None = None,
    embeddings_dir: str | os.PathLike[str] | None = None,
    origin: str = "",
) -> RunFolder:
    """Distils runs of `cry-tf train` into a student, and writes a run folder.

    Every clip is scored by models that never heard its group: in each fold the
    student is trained on the fold's training clips, and so is its teacher where the
    run had heard the fold's test clips. The student that is kept is trained on
    every clip, by the final models of the runs.

    Args:
        teacher_runs: At least one run folder; several teach together.
        dataset: Labelled clips with their groups.
        settings: What to train and how.
        path: The run folder to write; it appears whole or not at all.
        unlabelled: Folder of recordings that take part without labels, or None.
        overwrite: True replaces an earlier run.
        resume: True goes on with an interrupted run.
        listener: Hears how far it is.
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
    listener = listener or Silence()
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
    result_folder.check(path, overwrite)
    teachers = [RunTeacher(each) for each in teacher_runs]
    student = settings.student
    with (
        KeptRun.of(path).open(resume, overwrite and not resume) as kept,
        result_folder.writing(path, overwrite) as part,
        tempfile.TemporaryDirectory() as work,
    ):
        find_policy(student)  # before every clip is decoded
        listener.line(f"recipe: {recipe_sentence(student.recipe)}")
        prepared = prepare(dataset, student, listener)
        check_alike(teachers, prepared.dataset.labels, student.task)
        lesson = _lesson(prepared, settings, unlabelled, Path(work), listener)
        kept.require_same(_facts(lesson, settings, teachers))
        keras.utils.set_random_seed(student.seed)
        model = _build(prepared, settings)
        listener.line(f"student: {student.backbone}, {model.backbone.weights_source}")
        heard = heard_by(model.backbone.weights_sha256)
        overlap = pretrained_overlap(heard, prepared.dataset)
        if overlap:
            listener.warn(overlap)
        places = prepared.dataset.fold_indices(student.folds, student.seed)
        check_folds(prepared.dataset, places, student, listener)
        for teacher in teachers:
            teacher.hear(
                lesson, prepared, model.spec.sample_rate_hz, embeddings_dir, listener
            )
        folds = Folds(model, lesson, settings, teachers, kept, listener, Path(work))
        found, history = folds.run(places)
        scores: Any = found["distilled"][0]
        predictions = predictions_of(
            prepared.dataset, scores, fold_of_clip(places), student.task
        )
        chosen = None
        if predictions.positive_label is not None:
            chosen = ChosenThreshold.of(predictions)
            model.decision = model.decision.replace(
                onset_threshold=chosen.threshold,
                offset_threshold=_OFFSET_SHARE * chosen.threshold,
            )
        model.save(part / MODEL_FILE)
        _write_history(part / "history.csv", history)
        made = report.Made(
            settings=student,
            prepared=prepared,
            model=model,
            predictions=predictions,
            metrics=measure(predictions),
            threshold=chosen,
            baselines=(),
            origin=origin,
        )
        report.write(part, made, listener.warn)
        outcome = Outcome(
            settings=settings,
            teachers=teachers,
            lesson=lesson,
            predictions=predictions,
            scores={row: found[row] for row in ROWS if row in found},
            folds=folds,
            unlabelled=None if unlabelled is None else str(unlabelled),
            warning=overlap,
        )
        write_comparison(part, outcome, model, listener)
    return RunFolder.open(path)


def _lesson(
    prepared: Prepared,
    settings: DistillSettings,
    unlabelled: str | os.PathLike[str] | None,
    work: Path,
    listener: Listener,
) -> Lesson:
    windows = ()
    if unlabelled is not None:
        windows = cut_windows(
            unlabelled, prepared.dataset, settings.window_s, work, listener
        )
    recipe, seed = settings.student.recipe, settings.student.seed
    return Lesson(
        prepared.dataset,
        windows,
        find_policy(settings.student),
        settings.copies,
        seed,
        recipe.max_seconds,
    )


def _facts(
    lesson: Lesson, settings: DistillSettings, teachers: Sequence[RunTeacher]
) -> dict[str, Any]:
    """Returns what must be the same where a run goes on."""
    return {
        "data": {"sha256": lesson.labelled.sha256},
        "windows": [content_sha256(clip.path) for clip in lesson.windows],
        "settings": settings.to_dict(),
        "augmentation": lesson.policy and lesson.policy.fingerprint(),
        "teachers": [teacher.facts()["model_sha256"] for teacher in teachers],
        "versions": report.versions(),
    }


def _build(prepared: Prepared, settings: DistillSettings) -> Any:
    student = settings.student
    recipe = student.recipe
    asked = {"pre_emphasis": recipe.pre_emphasis, "z_score": recipe.z_score}
    backbone = load_backbone(
        student.backbone,
        student.weights,
        prepared.bandwidth.cutoff_hz,
        trainable=True,
        **{name: value for name, value in asked.items() if value},
    )
    parts: dict[str, Any] = {
        "backbone": backbone,
        "labels": prepared.dataset.labels,
        "pooling": student.pooling,
        "dropout": recipe.dropout,
        "head": recipe.head,
    }
    if student.task == "detect":
        return CryDetector(**parts, positive_names=student.positive or ())
    return CryClassifier(**parts)


def _write_history(path: Path, history: Sequence[HistoryRow]) -> None:
    with open(
        path, "w", newline="", encoding="utf-8", errors="backslashreplace"
    ) as stream:
        names = [field.name for field in dataclasses.fields(HistoryRow)]
        writer = csv.DictWriter(stream, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(dataclasses.asdict(row) for row in history)
