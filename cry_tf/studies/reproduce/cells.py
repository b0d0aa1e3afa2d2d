"""The finished rows of a reproduction, and its warnings."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from cry_tf.data.dataset import Dataset
from cry_tf.papers.papers import Paper
from cry_tf.papers.row import Row
from cry_tf.studies.reproduce.budget import TrainingBudget, budget_sentence
from cry_tf.studies.reproduce.clips import BY_CLIP, Split
from cry_tf.studies.reproduce.result import Measured, Result

SYNTHETIC = (
    "SYNTHETIC: these clips were computed, not recorded, and their labels are true by "
    "construction. No figure here is evidence about real infants."
)
NOT_ASKED = "not asked for (--rows)"


@dataclass(frozen=True)
class SplitCell:
    """One row on one split.

    Attributes:
        result: What was trained, or None.
        reason: Why there is no figure, or "".
        measured: The part that the row shows, or None.
    """

    result: Result | None
    reason: str
    measured: Measured | None = None


@dataclass(frozen=True)
class Reproduced:
    """The tables so far; `cells` is filled in row by row.

    Attributes:
        paper: The paper.
        rows: Every row.
        cells: By name of the row and split.
        budget: How much training was asked for.
        dataset: The usable clips, as many as the budget takes.
        data_sha256: Their digest.
        left_out: Number of clips that could not be used.
        clips_there: Number of usable clips, those that the budget leaves out too.
        seed: Seed of folds, first weights and order of clips.
        is_synthetic: Whether the clips are marked as synthetic.
        origin: Where the data came from.
        no_clips: By task, why the data has no clips for it.
    """

    paper: Paper
    rows: tuple[Row, ...]
    cells: dict[tuple[str, Split], SplitCell]
    budget: TrainingBudget
    dataset: Dataset
    data_sha256: str
    left_out: int
    clips_there: int
    seed: int
    is_synthetic: bool
    origin: str
    no_clips: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings for the top of the report."""
        found = [BY_CLIP]
        if self.is_synthetic:
            found.insert(0, SYNTHETIC)
        if self.paper.stand_in:
            found.append(self.paper.stand_in)
        infants, labelled = set(self.dataset.groups), len(self.dataset)
        if len(infants) == labelled:
            found.append(
                "Every clip has its own source, so by infant equals by clip here. "
                + self.dataset.grouping
            )
        return tuple(found)

    @property
    def budgets(self) -> tuple[str, ...]:
        """What the budget left out, each sentence once."""
        sentences = [budget_sentence(row, self.budget) for row in self.rows]
        if len(self.dataset) < self.clips_there:
            sentences.insert(
                0,
                f"{self.budget.name} budget: {len(self.dataset)} of {self.clips_there} "
                "clips, each label of each infant in proportion, classical methods too",
            )
        return tuple(dict.fromkeys(sentence for sentence in sentences if sentence))
