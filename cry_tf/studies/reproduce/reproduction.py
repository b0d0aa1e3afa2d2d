"""Runs every row of a paper twice, by clip and by infant."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cry_hub.errors import WeightsError
from cry_hub.weights import store
from cry_hub.weights.cache_folder import digest_file
from cry_tf.data.dataset import Dataset
from cry_tf.papers import papers
from cry_tf.papers.papers import Paper
from cry_tf.papers.row import Row
from cry_tf.runs.progress import NoProgress, Progress
from cry_tf.studies.reproduce import clips, paper_tables, result, teacher_scores
from cry_tf.studies.reproduce.budget import TrainingBudget, loss_for, settings_for
from cry_tf.studies.reproduce.cells import NOT_ASKED, Reproduced, SplitCell
from cry_tf.studies.reproduce.clips import SPLITS, Split, TaskClips
from cry_tf.studies.reproduce.result import Identity, Result
from cry_tf.studies.reproduce.teacher_scores import TeacherScores
from cry_tf.training.preparation import leave_out_bad_clips

NOT_YET = "not run yet: run the same command again to continue"
ROWS = "rows"


class Runner:
    """Fills in the cells of a reproduction.

    Args:
        path: Folder of the reproduction; results stand in `rows/` below it.
        found: The tables to fill in.
        data: The clips of each task.
        progress: Takes lines, warnings and progress.
        embeddings_dir: Folder of the embedding cache, see `EmbeddingCache`.
    """

    def __init__(
        self,
        path: Path,
        found: Reproduced,
        data: TaskClips,
        progress: Progress,
        embeddings_dir: Path | None = None,
    ):
        self._path, self._found, self._data = path, found, data
        self._progress, self._embeddings_dir = progress, embeddings_dir
        self._rows = {row.name: row for row in found.rows}
        # Rows of one training give the same teacher scores.
        teachers = {row.teacher for row in found.rows if row.teacher}
        self._teachers = {self._rows[name].experiment for name in teachers}

    def earlier(self, row: Row, split: Split) -> SplitCell:
        """Returns an earlier result, or the reason why there is none (yet)."""
        if row.task in self._data.reasons:
            return SplitCell(None, self._data.reasons[row.task])
        try:
            identity = self._identity(row, split)
        except WeightsError as error:
            return SplitCell(None, str(error))
        found = result.read(self._path / ROWS, identity)
        return _cell(row, found) if found else SplitCell(None, NOT_YET)

    def run(self, row: Row, split: Split) -> None:
        """Trains for one row, and fills in every row that shares its training.

        A row with a teacher trains the teacher's row first, unless what that
        trains as a teacher is kept. Failures are written into the cells.

        Raises:
            OSError: If something cannot be read or written.
        """
        from_teacher = None
        if row.teacher:
            from_teacher = self._scores_of(self._rows[row.teacher], split)
            if from_teacher is None:
                reason = self._found.cells[row.teacher, split].reason
                self._fail(row, split, f"its teacher has none: {reason}")
                return
        self._progress.line()
        self._progress.line(f"{row.table}, {row.title}, {_words(split)}")
        self._train(row, split, from_teacher)

    def _train(
        self, row: Row, split: Split, from_teacher: TeacherScores | None
    ) -> None:
        from cry_tf.studies.reproduce import training

        identity = self._identity(row, split)
        work = Path(tempfile.mkdtemp(prefix=".work-", dir=self._path))
        try:
            made = training.run(
                self._data.datasets[row.task],
                row.experiment,
                identity.settings,
                split,
                sorted({other.part for other in self._sharing(row)}),
                work,
                self._progress,
                self._embeddings_dir,
                teacher_scores=from_teacher,
                is_teacher=row.experiment in self._teachers,
            )
        except ValueError as error:
            self._progress.warn(f"{row.title}, {_words(split)}: {error}")
            self._fail(row, split, str(error))
            return
        finally:
            shutil.rmtree(work, ignore_errors=True)
        folder = self._path / ROWS
        if made.teacher_scores is not None:
            teacher_scores.write(folder, identity, made.teacher_scores)
        result.write(folder, identity, made.result, made.predictions)
        for other in self._sharing(row):
            self._found.cells[other.name, split] = _cell(other, made.result)

    def _scores_of(self, teacher: Row, split: Split) -> TeacherScores | None:
        """Returns the teacher scores of a row, which is run if they are not kept."""
        folder = self._path / ROWS
        identity = self._identity(teacher, split)
        found = teacher_scores.read(folder, identity)
        cell = self._found.cells[teacher.name, split]
        if found is None and (cell.result or cell.reason in (NOT_YET, NOT_ASKED)):
            self.run(teacher, split)
            found = teacher_scores.read(folder, identity)
        return found

    def _fail(self, row: Row, split: Split, reason: str) -> None:
        for other in self._sharing(row):
            self._found.cells[other.name, split] = SplitCell(None, reason)

    def _sharing(self, row: Row) -> list[Row]:
        return [r for r in self._found.rows if r.experiment == row.experiment]

    def _identity(self, row: Row, split: Split) -> Identity:
        """Returns everything that decides a row.

        Raises:
            WeightsError: If weights are not installed, its own or its teacher's.
        """
        missing, weights_sha256, teacher = [], None, None
        try:
            weights_sha256 = _installed(row)
        except WeightsError as error:
            missing.append(str(error))
        if row.teacher:
            try:
                teacher = self._identity(self._rows[row.teacher], split)
            except WeightsError as error:
                missing.append(str(error))
        if missing:
            raise WeightsError("; ".join(dict.fromkeys(missing)))
        budget, seed = self._found.budget, self._found.seed
        return Identity(
            experiment=row.experiment,
            settings=settings_for(row, budget, seed),
            split=split,
            data_sha256=self._data.sha256[row.task],
            weights_sha256=weights_sha256,
            teacher=teacher,
            loss=loss_for(row, budget, seed),
        )


def _installed(row: Row) -> str | None:
    """Returns the digest of the weights that a row begins with, None for random ones.

    Raises:
        WeightsError: If they are not installed.
    """
    if row.weights != "pretrained":
        return None
    path = store.find(row.preset)
    if path is None:
        raise WeightsError(
            f"{row.preset} is not installed: cry-tf weights fetch {row.preset}"
        )
    return digest_file(path).read_text("utf-8").split()[0]


def _cell(row: Row, made: Result) -> SplitCell:
    variant = row.file or "keras"
    if row.file in made.refused:
        return SplitCell(made, made.refused[row.file])
    measured = made.parts[variant].get(row.part)
    if measured is None:
        label = row.part.removeprefix("label:")
        return SplitCell(made, f"the data have no clip labelled {label}")
    return SplitCell(made, "", measured)


def _words(split: Split) -> str:
    return split.replace("_", " ")


def reproduce(
    paper: Paper,
    dataset: Dataset,
    path: str | os.PathLike[str],
    *,
    budget: TrainingBudget,
    rows: Sequence[str] | None = None,
    seed: int = 0,
    positive: tuple[str, ...] | None = None,
    progress: Progress | None = None,
    embeddings_dir: Path | None = None,
    origin: str = "",
) -> Reproduced:
    """Runs every row twice, by clip and by infant, and writes the tables.

    A result is stored in `rows/` at once, under everything that
    decides it (clips, row, settings, weights, versions). A later call with the same
    folder computes only what is missing. The tables are written anew after each row.

    Args:
        paper: The paper.
        dataset: Labelled clips with their infants as groups.
        path: Folder to write, new or of an earlier call for the same paper.
        budget: How much training is asked for.
        rows: Names of the rows to run; None for all.
        seed: Draws folds, first weights and the order of clips.
        positive: Labels that mean a cry; None takes the well-known names.
        progress: Takes lines, warnings and progress; None ignores them.
        embeddings_dir: Folder of the embedding cache, see `EmbeddingCache`.
        origin: Where the data came from, for the record.

    Returns:
        The tables. A row that could not be run holds the reason.

    Raises:
        ValueError: If a row is unknown, no clip can be used, or no row has clips.
        FileExistsError: If the folder holds something else.
        OSError: If something cannot be read or written.
    """
    progress = progress or NoProgress()
    path = Path(path).expanduser().absolute()
    chosen = {row.name for row in papers.choose(paper, rows)}
    paper_tables.check(path, paper)
    progress.line(f"data: {dataset!r}")
    progress.line(f"  {dataset.grouping}")
    usable, problems = leave_out_bad_clips(dataset, progress)
    clips_there = len(usable)
    usable = clips.drawn(usable, budget.clips, seed)
    data = TaskClips.of(paper, usable, positive, progress)
    reasons = data.datasets.get("reason")
    every = papers.with_own_labels(paper, reasons.labels if reasons else ())
    asked = [row for row in every if rows is None or row.name in chosen]
    if all(row.task in data.reasons for row in asked):
        raise ValueError(data.reasons[asked[0].task])
    for task in sorted({row.task for row in asked} & set(data.reasons)):
        count = sum(row.task == task for row in asked)
        progress.warn(
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
    runner = Runner(path, found, data, progress, embeddings_dir)
    cells = found.cells
    for row in every:
        for split in SPLITS:
            cells[row.name, split] = runner.earlier(row, split)
            if row not in asked and cells[row.name, split].result is None:
                cells[row.name, split] = SplitCell(None, NOT_ASKED)
    paper_tables.write(path, found, progress.warn)
    for row in asked:
        for split in SPLITS:
            if cells[row.name, split].reason != NOT_YET:
                continue
            runner.run(row, split)
            paper_tables.write(path, found, progress.warn)
    return found
