"""Seen infant beside unseen infant and the baselines, on the same clips."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from cry_tf.data.grouping import plural
from cry_tf.evaluation.figures import Estimate

SEEN, UNSEEN, BASELINE = "seen infant", "unseen infant", "baseline"
# A run that was trained on these very clips.
HEARD = "heard before"
WITHIN = "majority within the infant"
RUN_NAMES = {UNSEEN: f"{UNSEEN}, the run", HEARD: "the run, not to be trusted"}
HEAD_NAMES = {"prototype": "prototypes", "logreg": "logistic regression"}
_SURE = 0.05


@dataclass(frozen=True)
class Row:
    """The figures of one method.

    Attributes:
        name: What it is.
        kind: `SEEN` learned from clips of the infant, `UNSEEN` did not, `HEARD` is
            the run where it was trained on them, `BASELINE` listens to nothing.
        accuracy: With the 95 % interval of a bootstrap over infants; over clips, where
            there is one infant.
        balanced_accuracy: The same, each label counting the same.
        macro_f1: The same, of the mean F1.
        p_value: Of a permutation of the labels within each infant, see
            `trial.permutation_p`; None where it was not computed.
        gained: Clips answered rightly that the majority within the infant has
            wrong; None with several draws.
        lost: The reverse.
        sign_p_value: Exact two-sided binomial p-value of `gained` against `lost`.
    """

    name: str
    kind: str
    accuracy: Estimate
    balanced_accuracy: Estimate
    macro_f1: Estimate
    p_value: float | None = None
    gained: int | None = None
    lost: int | None = None
    sign_p_value: float | None = None


@dataclass(frozen=True)
class InfantShare:
    """How often each method is right with one infant.

    Attributes:
        name: Of the infant.
        clips: Number of different clips judged.
        labels: Of all the infant's clips: label to count.
        right: Name of each row to the share of answers that are right.
    """

    name: str
    clips: int
    labels: dict[str, int]
    right: dict[str, float]


@dataclass(frozen=True)
class Comparison:
    """One design: what was learned from, what was judged, and every row.

    Attributes:
        title: Of the design, a few words.
        sentence: What was done.
        with_siblings: Whether near-copies of a clip could be learned from.
        clips: Number of different clips judged.
        answers: Number of judgements, more than `clips` with several draws.
        not_judged: Clips of these infants with nothing left to learn from.
        infants: One entry an infant with a judged clip.
        rows: Seen first, then unseen, then baselines; none if `clips` is 0.
        permutations: Behind the p-values.
    """

    title: str
    sentence: str
    with_siblings: bool
    clips: int
    answers: int
    not_judged: int
    infants: tuple[InfantShare, ...]
    rows: tuple[Row, ...]
    permutations: int

    def to_dict(self) -> dict[str, Any]:
        """Returns the comparison as JSON types only."""
        return dataclasses.asdict(self)

    @property
    def verdict(self) -> str:
        """Says in a sentence whether hearing the infant before has helped."""
        where = f"{self.title} ({plural(self.clips, 'clip')}, "
        where += f"{plural(len(self.infants), 'infant')})"
        tested = [row for row in self.rows if row.p_value is not None]
        if not tested:
            return f"{where}: nothing can be judged."
        parts, has_won = [], False
        within = self.row(WITHIN).accuracy.value or 0.0
        for row in tested:
            value, p_value = row.accuracy.value or 0.0, row.p_value or 0.0
            # Two questions: was anything learned, and does it beat a habit.
            is_sure = p_value <= _SURE and (row.sign_p_value or 0.0) <= _SURE
            is_better = value > within and is_sure
            has_won |= is_better
            parts.append(f"{row.name} {value:.3f} (p = {p_value:.3f})")
        unseen = self.run_row.accuracy.value or 0.0
        return (
            f"{where}: {'; '.join(parts)}; {self.run_row.name} {unseen:.3f}; "
            f"always the infant’s commonest label {within:.3f}. "
            + (
                "A personal model is better than the infant’s commonest label."
                if has_won
                else "No personal model is shown to be better than always answering "
                "the infant’s commonest label."
            )
        )

    @property
    def run_row(self) -> Row:
        """The row of the run without any clip of the infant, or trained on them."""
        return next(row for row in self.rows if row.kind in RUN_NAMES)

    def row(self, name: str) -> Row:
        """Returns the row of that name."""
        return next(row for row in self.rows if row.name == name)
