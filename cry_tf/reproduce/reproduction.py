"""Runs the rows of a paper one by one, and keeps each as soon as it is done."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from cry_tf.data.dataset import Dataset
from cry_tf.reproduce import clips, papers, writing
from cry_tf.reproduce.budget import Budget
from cry_tf.reproduce.clips import SPLITS
from cry_tf.reproduce.papers import Paper
from cry_tf.reproduce.reproduced import NOT_ASKED, Cell, Reproduced
from cry_tf.reproduce.running import NOT_YET, Runner
from cry_tf.reproduce.task_clips import TaskClips
from cry_tf.runs.progress import Listener, Silence
from cry_tf.training.preparation import leave_out_bad_clips


def reproduce(
    paper: Paper,
    dataset: Dataset,
    path: str | os.PathLike[str],
    *,
    budget: Budget,
    rows: Sequence[str] | None = None,
    seed: int = 0,
    positive: tuple[str, ...] | None = None,
    listener: Listener | None = None,
    embeddings_dir: Path | None = None,
    origin: str = "",
) -> Reproduced:
    """Runs every row twice, by clip and by infant, and writes the tables.

    A result is kept in `rows/` as soon as it is there, under everything that
    decides it (clips, row, settings, weights, versions). A later call with the same
    folder computes only what is missing. The tables are written anew after each row.

    Args:
        paper: Whose tables.
        dataset: Labelled clips with their infants as groups.
        path: Folder to write, new or of an earlier call for the same paper.
        budget: How much training is asked for.
        rows: Names of the rows to run; None for all.
        seed: Draws folds, first weights and the order of clips.
        positive: Labels that mean a cry; None takes the well-known names.
        listener: Hears how far it is; None for silence.
        embeddings_dir: Where embeddings are kept, see `EmbeddingCache`.
        origin: Where the data came from, for the record.

    Returns:
        The tables. A row that could not be run says why.

    Raises:
        ValueError: If a row is unknown, no clip can be used, or no row has clips.
        FileExistsError: If the folder holds something else.
        OSError: If something cannot be read or written.
    """
    listener = listener or Silence()
    path = Path(path).expanduser().absolute()
    chosen = {row.name for row in papers.choose(paper, rows)}
    writing.check(path, paper)
    listener.line(f"data: {dataset!r}")
    listener.line(f"  {dataset.grouping}")
    usable, problems = leave_out_bad_clips(dataset, listener)
    clips_there = len(usable)
    usable = clips.drawn(usable, budget.clips, seed)
    data = TaskClips.of(paper, usable, positive, listener)
    reasons = data.datasets.get("reason")
    every = papers.with_own_labels(paper, reasons.labels if reasons else ())
    asked = [row for row in every if rows is None or row.name in chosen]
    if all(row.task in data.reasons for row in asked):
        raise ValueError(data.reasons[asked[0].task])
    for task in sorted({row.task for row in asked} & set(data.reasons)):
        count = sum(row.task == task for row in asked)
        listener.warn(
            f"{count} of {len(asked)} rows cannot be run. {data.reasons[task]}"
        )
    found = Reproduced(
        paper=paper,
        rows=every,
        cells={},
        budget=budget,
        dataset=usable,
        data_sha256=usable.sha256,
        left_out=len(problems),
        clips_there=clips_there,
        seed=seed,
        is_synthetic=clips.is_synthetic(usable),
        origin=origin,
        no_clips=data.reasons,
    )
    runner = Runner(path, found, data, listener, embeddings_dir)
    cells = found.cells
    for row in every:
        for split in SPLITS:
            cells[row.name, split] = runner.earlier(row, split)
            if row not in asked and cells[row.name, split].result is None:
                cells[row.name, split] = Cell(None, NOT_ASKED)
    writing.write(path, found, listener.warn)
    for row in asked:
        for split in SPLITS:
            if cells[row.name, split].reason != NOT_YET:
                continue
            runner.run(row, split)
            writing.write(path, found, listener.warn)
    return found
