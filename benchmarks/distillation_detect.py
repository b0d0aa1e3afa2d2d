"""A student alone against the same student distilled: is a baby crying?

    python benchmarks/distillation_detect.py MANIFEST.csv -o results.jsonl \
        --teacher yamnet_audioset=FILE --teacher mn04_audioset=FILE

Each teacher is a run with the recipe quick on the same clips; in each fold its head is
fitted again on the fold's training clips. The student begins from random weights in
every row: the bundled pretrained ones were trained on these clips, and are
never used here. Folds are by group and drawn by the seed; the figure is the area under
the ROC curve of the out-of-fold scores of all clips. Every row is one line of JSON; a
row that is in the file already is not trained again. `--table` only prints the table.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from timing import machine

from cry_tf.cli.console import Console
from cry_tf.data import load
from cry_tf.distillation.distill_settings import RECIPE
from cry_tf.distillation.folds import FoldFiles
from cry_tf.distillation.lesson import Lesson
from cry_tf.distillation.run_teacher import RunTeacher
from cry_tf.distillation.student_trainer import StudentTrainer
from cry_tf.models import CryDetector
from cry_tf.training import train
from cry_tf.training.choose_trainer import find_policy
from cry_tf.training.context import RunContext
from cry_tf.training.preparation import prepare
from cry_tf.training.recipe import QUICK
from cry_tf.training.settings import Settings

ALONE = "alone"


def auc(truth: np.ndarray, scores: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth, scores[:, 1]))


def teacher_run(name: str, weights: str, data: Any, folder: Path, console) -> Path:
    """Returns the run of a teacher, trained unless it is there."""
    path = folder / f"teacher-{name}"
    if not path.exists():
        settings = Settings(
            task="detect",
            recipe=QUICK,
            backbone=name,
            weights=weights or "pretrained",
            folds=2,
            baselines=False,
        )
        train.train(data, settings, path, progress=console)
    return path


def read(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def add(path: Path, row: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def run(args: argparse.Namespace) -> None:
    console, output = Console(), Path(args.output)
    data = load(args.data)
    folder = output.parent
    weights = dict(pair.partition("=")[::2] for pair in args.teacher)
    recipe = RECIPE.replace(
        epochs=args.epochs,
        learning_rate=args.learning_rate,
        max_seconds=args.seconds,
        augment=args.augment,
    )
    teachers = {
        name: RunTeacher(teacher_run(name, file, data, folder, console))
        for name, file in weights.items()
    }
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        student = Settings(
            task="detect",
            recipe=recipe,
            backbone=args.student,
            weights=None,
            folds=args.folds,
            seed=seed,
            baselines=False,
        )
        done = {(row["seed"], row["row"]) for row in read(output)}
        wanted = [ALONE, *teachers]
        if all((seed, row) in done for row in wanted):
            continue
        context = RunContext(progress=console)
        prepared = prepare(data, student, context)
        lesson = Lesson(
            prepared.dataset,
            (),
            find_policy(student),
            0 if args.augment == "none" else args.copies,
            seed,
            recipe.max_seconds,
        )
        for teacher in teachers.values():
            teacher.prepare(lesson, prepared, 16_000, context)
        for row in wanted:
            if (seed, row) not in done:
                found = judge(row, teachers.get(row), lesson, prepared, student, args)
                add(output, found)
                console.line(json.dumps(found))


def judge(
    row: str,
    teacher: RunTeacher | None,
    lesson: Lesson,
    prepared: Any,
    student: Settings,
    args: argparse.Namespace,
) -> dict[str, Any]:
    """Trains and scores every fold of one row."""
    keras.utils.set_random_seed(student.seed)
    backbone = CryDetector.from_preset(
        student.backbone, weights=None, cutoff_hz=prepared.bandwidth.cutoff_hz
    ).backbone
    model = CryDetector(backbone, dropout=student.recipe.dropout)
    alpha = 1.0 if teacher is None else args.alpha
    trainer = StudentTrainer(
        model, lesson, student.recipe, student.seed, args.temperature, alpha
    )
    clips = prepared.dataset
    shape = (len(clips), 2)
    scores, theirs = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    filed = np.full(shape, np.nan, np.float32)
    shapes = (len(clips), lesson.versions, 1, 2)
    logits = np.zeros(shapes, np.float32)
    seconds, file_bytes = 0.0, None
    is_filed = teacher is not None and student.seed < args.filed_seeds
    with tempfile.TemporaryDirectory() as work:
        files = FoldFiles(Path(work))
        for train, test in clips.fold_indices(student.folds, student.seed):
            if teacher is not None:
                teacher.fit(train)
                logits = teacher.logits()[:, :, None]
                raised = np.exp(logits[test, 0, 0])
                theirs[test] = raised / raised.sum(axis=1, keepdims=True)
            trainer.reset()
            began = time.process_time()
            trainer.fit(train, logits, lesson.truth)
            seconds += time.process_time() - began
            scores[test] = trainer.predict(test)
            if is_filed:
                found = files.scores(row, model, clips.subset(test))
                if found is not None:
                    filed[test] = found
                    path = Path(work) / f"{row}-dynamic.tflite"
                    file_bytes = path.stat().st_size
    truth = clips.label_indices
    return {
        "row": row,
        "seed": student.seed,
        "auc": auc(truth, scores),
        "accuracy": float((scores.argmax(axis=1) == truth).mean()),
        "teacher_auc": None if teacher is None else auc(truth, theirs),
        "file_auc": None if np.isnan(filed).any() else auc(truth, filed),
        "file_bytes": file_bytes,
        "clips": len(clips),
        "groups": len(set(clips.groups)),
        "cries": int(truth.sum()),
        "folds": student.folds,
        "student": student.backbone,
        "parameters": model.count_params(),
        "training_processor_s": round(seconds, 1),
        "settings": {
            name: getattr(args, name)
            for name in (
                "epochs",
                "learning_rate",
                "seconds",
                "augment",
                "copies",
                "temperature",
                "alpha",
            )
        },
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Returns the rows as Markdown, mean and spread over the seeds."""
    lines = [
        "| row | seeds | AUC, mean (lowest to highest) | its teacher's AUC | AUC of "
        "the dynamic-range file | bytes |",
        "|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(row["row"] for row in rows):
        mine = [row for row in rows if row["row"] == name]
        title = f"{mine[0]['student']} alone"
        if name != ALONE:
            title = f"{mine[0]['student']} distilled from {name}"
        cells = [title, str(len(mine)), spread([row["auc"] for row in mine])]
        for key in ("teacher_auc", "file_auc"):
            cells.append(spread([row[key] for row in mine if row[key] is not None]))
        sizes = [row["file_bytes"] for row in mine if row["file_bytes"]]
        cells.append(f"{max(sizes):,}" if sizes else "")
        lines.append(f"| {' | '.join(cells)} |")
    lines.append("| always the same answer | | 0.5000 | | | |")
    first = rows[0]
    lines.append("")
    lines.append(
        f"{first['clips']:,} clips ({first['cries']} cries) in {first['groups']} "
        f"groups, {first['folds']} folds by group, out of fold; {first['settings']}."
    )
    lines.append(f"{machine('tensorflow', 'keras', 'numpy')}.")
    return "\n".join(lines)


def spread(values: Sequence[float]) -> str:
    if not values:
        return ""
    mean = sum(values) / len(values)
    return f"{mean:.4f} ({min(values):.4f} to {max(values):.4f})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data")
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--teacher", action="append", default=[])
    parser.add_argument("--student", default="ds_cnn_s")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--augment", default="light")
    parser.add_argument("--copies", type=int, default=2)
    parser.add_argument("--temperature", type=float, default=4.0)
    parser.add_argument("--alpha", type=float, default=0.3)
    parser.add_argument("--filed-seeds", type=int, default=1)
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    if not args.table:
        run(args)
    print(table(read(Path(args.output))))


if __name__ == "__main__":
    main()
