"""Runs the rows of a paper one by one, and keeps each as soon as it is done."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cry_hub.errors import WeightsError
from cry_hub.weights import store
from cry_hub.weights.cache_folder import digest_file
from cry_tf.data.dataset import Dataset
from cry_tf.reproduce import clips, papers, result, writing
from cry_tf.reproduce.budget import Budget, settings_for
from cry_tf.reproduce.clips import SPLITS, Split
from cry_tf.reproduce.papers import Paper
from cry_tf.reproduce.result import Identity, Result
from cry_tf.reproduce.row import Row
from cry_tf.reproduce.tables import NOT_ASKED, Cell, Reproduced
from cry_tf.training.listener import Listener, Silence
from cry_tf.training.preparation import leave_out_bad_clips

NOT_YET = "not run yet: the same command goes on from here"


@dataclass(frozen=True)
class _Data:
    """The clips of each task, or why there are none."""

    datasets: dict[str, Dataset]
    sha256: dict[str, str]
    reasons: dict[str, str]


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
        ValueError: If a row is unknown, or no clip can be used.
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
    data = _data(paper, usable, positive, listener)
    reasons = data.datasets.get("reason")
    every = papers.with_own_labels(paper, reasons.labels if reasons else ())
    asked = [row for row in every if rows is None or row.name in chosen]
    cells: dict[tuple[str, Split], Cell] = {}
    found = Reproduced(
        paper=paper,
        rows=every,
        cells=cells,
        budget=budget,
        dataset=usable,
        data_sha256=usable.sha256,
        left_out=len(problems),
        seed=seed,
        is_synthetic=clips.is_synthetic(usable),
        origin=origin,
    )
    for row in every:
        for split in SPLITS:
            cells[row.name, split] = _earlier(path, row, split, data, budget, seed)
            if row not in asked and cells[row.name, split].result is None:
                cells[row.name, split] = Cell(None, NOT_ASKED)
    writing.write(path, found)
    for row in asked:
        for split in SPLITS:
            if cells[row.name, split].reason != NOT_YET:
                continue
            _run_row(path, row, split, data, found, listener, embeddings_dir)
            writing.write(path, found)
    return found


def _data(
    paper: Paper,
    dataset: Dataset,
    positive: tuple[str, ...] | None,
    listener: Listener,
) -> _Data:
    data = _Data({}, {}, {})
    for task in sorted({row.task for row in paper.rows}):
        try:
            found = clips.for_task(dataset, task, positive)
        except ValueError as error:
            data.reasons[task] = str(error)
            continue
        if task == "reason":
            found = papers.in_its_words(paper, found)
        data.datasets[task], data.sha256[task] = found, found.sha256
        listener.line(f"{task}: {found!r}")
        for note in found.notes:
            listener.line(f"  {note}")
    return data


def _identity(
    row: Row, split: Split, data: _Data, budget: Budget, seed: int
) -> Identity:
    weights_sha256 = None
    if row.weights == "pretrained":
        path = store.find(row.preset)
        if path is None:
            raise WeightsError(
                f"{row.preset} is not installed: cry-tf weights fetch {row.preset}"
            )
        weights_sha256 = digest_file(path).read_text("utf-8").split()[0]
    return Identity(
        experiment=row.experiment,
        settings=settings_for(row, budget, seed),
        split=split,
        data_sha256=data.sha256[row.task],
        weights_sha256=weights_sha256,
    )


def _earlier(
    path: Path, row: Row, split: Split, data: _Data, budget: Budget, seed: int
) -> Cell:
    """Returns an earlier result, why there can be none, or that it is to be run."""
    if row.needs:
        return Cell(None, row.needs)
    if row.task in data.reasons:
        return Cell(None, data.reasons[row.task])
    try:
        identity = _identity(row, split, data, budget, seed)
    except WeightsError as error:
        return Cell(None, str(error))
    found = result.read(path / writing.ROWS, identity)
    return _cell(row, found) if found else Cell(None, NOT_YET)


def _run_row(
    path: Path,
    row: Row,
    split: Split,
    data: _Data,
    found: Reproduced,
    listener: Listener,
    embeddings_dir: Path | None,
) -> None:
    """Trains for one row, and fills in every row that shares its training."""
    from cry_tf.reproduce import training

    sharing = [r for r in found.rows if r.experiment == row.experiment and not r.needs]
    listener.line()
    listener.line(f"{row.table}, {row.title}, {split.replace('_', ' ')}")
    identity = _identity(row, split, data, found.budget, found.seed)
    work = Path(tempfile.mkdtemp(prefix=".work-", dir=path))
    try:
        made, predictions = training.run(
            data.datasets[row.task],
            row.experiment,
            identity.settings,
            split,
            sorted({r.part for r in sharing}),
            work,
            listener,
            embeddings_dir,
        )
    except ValueError as error:
        listener.warn(f"{row.title}, {split.replace('_', ' ')}: {error}")
        for other in sharing:
            found.cells[other.name, split] = Cell(None, str(error))
        return
    finally:
        shutil.rmtree(work, ignore_errors=True)
    result.write(path / writing.ROWS, identity, made, predictions)
    for other in sharing:
        found.cells[other.name, split] = _cell(other, made)


def _cell(row: Row, made: Result) -> Cell:
    variant = row.file or "keras"
    if row.file in made.refused:
        return Cell(made, made.refused[row.file])
    measured = made.parts[variant].get(row.part)
    if measured is None:
        label = row.part.removeprefix("label:")
        return Cell(made, f"the data have no clip labelled {label}")
    return Cell(made, "", measured)
