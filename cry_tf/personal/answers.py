"""What personal models answered: as a CSV, and as tables for a terminal."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cry_tf.data.dataset import Dataset
from cry_tf.personal import trial
from cry_tf.personal.comparison import Comparison
from cry_tf.personal.held_out import LeaveOneOut
from cry_tf.personal.trial import Infant
from cry_tf.runs.progress import Listener


def write_answers(
    path: Path,
    infants: Sequence[Infant],
    dataset: Dataset,
    heads: Sequence[str],
    seed: int,
) -> None:
    """Writes the answer of each head when one clip is left out.

    A row a clip and way: `near_copies` is `out` or `in`, `unseen` the answer of the
    run without the infant, and a column a head.

    Args:
        path: The CSV to write.
        infants: The infants.
        dataset: The clips that their places point into.
        heads: Personal heads.
        seed: As for the comparisons.
    """
    header = ["file", "group", "label", "near_copies", "unseen", *heads]
    with open(
        path, "w", newline="", encoding="utf-8", errors="backslashreplace"
    ) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        for with_siblings in (False, True):
            found = [
                trial.judge(
                    infants, head, LeaveOneOut(), with_siblings=with_siblings, seed=seed
                )
                for head in heads
            ]
            for row, (i, c) in enumerate(
                zip(found[0].infants, found[0].clips, strict=True)
            ):
                clip = dataset.clips[infants[i].places[c]]
                answers = [
                    infants[i].unseen[c],
                    *(entry.scores[row] for entry in found),
                ]
                writer.writerow(
                    [
                        clip.name,
                        clip.group,
                        clip.label,
                        "in" if with_siblings else "out",
                    ]
                    + [dataset.labels[int(np.argmax(scores))] for scores in answers]
                )


def tell(listener: Listener, comparisons: Sequence[Comparison]) -> None:
    """Tells the rows of each comparison as a table."""
    for entry in comparisons:
        listener.line()
        if not entry.rows:
            listener.line(f"{entry.title}: too few clips")
            continue
        listener.line(f"{entry.title}: {entry.sentence}")
        listener.table(
            ["", "n", "infants", "accuracy", "balanced", "p"],
            [
                [
                    row.name,
                    str(entry.clips),
                    str(len(entry.infants)),
                    _number(row.accuracy.value),
                    _number(row.balanced_accuracy.value),
                    _number(row.p_value),
                ]
                for row in entry.rows
            ],
        )
    listener.line()
    listener.line(comparisons[0].verdict)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
