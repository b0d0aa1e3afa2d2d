"""What the shipped weights of a student bring: is a baby crying?

    python benchmarks/distillation_pretrained.py MANIFEST.csv -o results.jsonl \
        --teacher yamnet_audioset=FILE --teacher mn04_audioset=FILE

The bundled weights were trained on most of the recordings, so there is
one split only: models learn from those clips and are evaluated on the others, whole
groups (devices, recordings, speakers).
Rows: the student from random and from the shipped weights, alone and distilled from
each teacher, whose head is fitted on the same training clips. Seeds draw the first
weights, the order and the augmentation. Every row is one line of JSON; a row that is in
the file already is not trained again. `--table` only prints the table.
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
from distillation_detect import ALONE, add, auc, read, spread, teacher_run
from timing import machine

from cry_hub import registry
from cry_hub.weights.shipped import trained_on
from cry_tf.cli.console import Console
from cry_tf.data import load
from cry_tf.data.content_digest import content_digests
from cry_tf.distillation.distill_settings import RECIPE
from cry_tf.distillation.folds import FoldFiles
from cry_tf.distillation.lesson import Lesson
from cry_tf.distillation.run_teacher import RunTeacher
from cry_tf.distillation.student_trainer import StudentTrainer
from cry_tf.evaluation.bootstrap import group_weights, interval, roc_aucs
from cry_tf.models import CryDetector
from cry_tf.training.choose_trainer import find_policy
from cry_tf.training.context import RunContext
from cry_tf.training.preparation import prepare
from cry_tf.training.settings import Settings

# Weights that know something are moved with a third of the rate.
STARTS = {"random": (None, 3e-3), "shipped": ("pretrained", 1e-3)}
EPOCHS, SECONDS, COPIES = 12, 3.0, 2
INNER_ONE_IN = 4


def unheard(dataset: Any, student: str) -> np.ndarray:
    """Returns which clips the bundled weights of the student were not trained on."""
    known: frozenset[str] = frozenset()
    for file in registry.get(student).files:
        known |= trained_on((file.digest or "").removeprefix("sha256:"))
    digests = content_digests(clip.path for clip in dataset.clips)
    return np.array([digest[:16] not in known for digest in digests])


def run(args: argparse.Namespace) -> None:
    console, output = Console(), Path(args.output)
    data = load(args.data)
    weights = dict(pair.partition("=")[::2] for pair in args.teacher)
    teachers: dict[str, RunTeacher | None] = {ALONE: None}
    for name, file in weights.items():
        path = teacher_run(name, file, data, output.parent, console)
        teachers[name] = RunTeacher(path)
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        recipe = RECIPE.replace(epochs=EPOCHS, max_seconds=SECONDS, augment="light")
        settings = Settings(
            task="detect",
            recipe=recipe,
            backbone=args.student,
            weights=None,
            seed=seed,
            baselines=False,
        )
        done = {(row["seed"], row["start"], row["row"]) for row in read(output)}
        wanted = [(start, row) for start in args.starts for row in teachers]
        wanted = [each for each in wanted if (seed, *each) not in done]
        if not wanted:
            continue
        context = RunContext(progress=console)
        prepared = prepare(data, settings, context)
        lesson = Lesson(
            prepared.dataset, (), find_policy(settings), COPIES, seed, SECONDS
        )
        for name in {row for _, row in wanted}:
            if teacher := teachers[name]:
                teacher.prepare(lesson, prepared, 16_000, context)
        for start, row in wanted:
            found = judge(start, row, teachers[row], lesson, prepared, settings, args)
            add(output, found)
            console.line(json.dumps(found))


def judge(
    start: str,
    row: str,
    teacher: RunTeacher | None,
    lesson: Lesson,
    prepared: Any,
    settings: Settings,
    args: argparse.Namespace,
) -> dict[str, Any]:
    """Trains and scores one row."""
    clips, (weights, rate) = prepared.dataset, STARTS[start]
    keras.utils.set_random_seed(settings.seed)
    model = CryDetector.from_preset(
        settings.backbone, weights=weights, cutoff_hz=prepared.bandwidth.cutoff_hz
    )
    recipe = settings.recipe.replace(learning_rate=rate)
    alpha = 1.0 if teacher is None else args.alpha
    trainer = StudentTrainer(
        model, lesson, recipe, settings.seed, args.temperature, alpha
    )
    is_unheard = unheard(clips, settings.backbone)
    train, test = np.flatnonzero(~is_unheard), np.flatnonzero(is_unheard)
    if args.inner:
        inner = clips.subset(train).fold_indices(INNER_ONE_IN, seed=0)
        train, test = (train[places] for places in next(iter(inner)))
    shared = set(clips.subset(train).groups) & set(clips.subset(test).groups)
    if shared:
        raise ValueError(f"{len(shared)} groups are on both sides of the split.")
    logits = np.zeros((len(clips), lesson.versions, 1, 2), np.float32)
    truth, theirs = clips.label_indices[test], None
    if teacher is not None:
        teacher.fit(train)
        logits = teacher.logits()[:, :, None]
        raised = np.exp(logits[test, 0, 0])
        theirs = raised / raised.sum(axis=1, keepdims=True)
    began = time.process_time()
    trainer.fit(train, logits, lesson.truth)
    seconds = time.process_time() - began
    scores = trainer.predict(test)
    with tempfile.TemporaryDirectory() as work:
        filed = FoldFiles(Path(work)).scores(row, model, clips.subset(test))
        path = Path(work) / f"{row}-dynamic.tflite"
        file_bytes = path.stat().st_size if filed is not None else None
    teacher_auc = None if theirs is None else auc(truth, theirs)
    return {
        "row": row,
        "start": start,
        "seed": settings.seed,
        "auc": auc(truth, scores),
        "teacher_auc": teacher_auc,
        "file_auc": None if filed is None else auc(truth, filed),
        "file_bytes": file_bytes,
        "trained_on": len(train),
        "clips": len(test),
        "groups": list(clips.subset(test).groups),
        "truth": truth.tolist(),
        "scores": scores[:, 1].astype(float).round(6).tolist(),
        "teacher_scores": None if theirs is None else theirs[:, 1].tolist(),
        "student": settings.backbone,
        "temperature": args.temperature,
        "alpha": args.alpha,
        "training_processor_s": round(seconds, 1),
    }


def drawn_aucs(rows: Sequence[dict[str, Any]], key: str) -> np.ndarray:
    """Returns the mean AUC over the seeds in each draw of groups."""
    truth = np.array(rows[0]["truth"]) == 1
    weights = group_weights(rows[0]["groups"])
    found = [roc_aucs(np.array(row[key]), truth, weights) for row in rows]
    return np.mean(found, axis=0)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Returns the rows as Markdown, mean and spread over the seeds."""
    lines = [
        "| first weights | teacher | seeds | AUC, mean (lowest to highest) | 95 % | "
        "teacher's AUC | above its teacher, 95 % | above random alone, 95 % | dynamic "
        "file's AUC | bytes |",
        f"|{'---|' * 10}",
    ]
    base = [row for row in rows if (row["start"], row["row"]) == ("random", ALONE)]
    base_drawn = drawn_aucs(base, "scores")
    for start, name in dict.fromkeys((row["start"], row["row"]) for row in rows):
        mine = [row for row in rows if (row["start"], row["row"]) == (start, name)]
        drawn = drawn_aucs(mine, "scores")
        above, theirs = "", ""
        if name != ALONE:
            theirs = f"{np.mean([row['teacher_auc'] for row in mine]):.4f}"
            above = _interval(drawn - drawn_aucs(mine, "teacher_scores"), "+")
        files = [row["file_auc"] for row in mine if row["file_auc"] is not None]
        sizes = [row["file_bytes"] for row in mine if row["file_bytes"]]
        cells = [
            start,
            "nobody" if name == ALONE else name,
            str(len(mine)),
            spread([row["auc"] for row in mine]),
            _interval(drawn),
            theirs,
            above,
            "" if mine == base else _interval(drawn - base_drawn, "+"),
            spread(files) if files else "refused",
            f"{max(sizes):,}" if sizes else "",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    first = rows[0]
    lines.append("")
    lines.append(
        f"{first['student']}, learned from {first['trained_on']:,} clips; evaluated on "
        f"{first['clips']} others ({sum(first['truth'])} cries) in "
        f"{len(set(first['groups']))} groups, which nothing was trained on; a constant "
        f"answer has 0.5. 95 %: over draws of whole groups, the mean of the seeds. "
        f"{EPOCHS} epochs, {SECONDS:g} s, {COPIES} augmented copies (light), rate "
        f"{STARTS['random'][1]:g} from random weights and {STARTS['shipped'][1]:g} "
        f"from the shipped ones, temperature {first['temperature']:g}, alpha "
        f"{first['alpha']:g}."
    )
    lines.append(f"{machine('tensorflow', 'keras', 'numpy')}.")
    return "\n".join(lines)


def _interval(drawn: np.ndarray, sign: str = "") -> str:
    low, high = interval(drawn)
    return f"{low:{sign}.4f} to {high:{sign}.4f}"


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
    parser.add_argument("--starts", nargs="+", default=list(STARTS))
    parser.add_argument("--temperature", type=float, default=4.0)
    parser.add_argument("--alpha", type=float, default=0.3)
    parser.add_argument("--inner", action="store_true")
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    if not args.table:
        run(args)
    print(table(read(Path(args.output))))


if __name__ == "__main__":
    main()
