"""Figures of a personal model, of the run and of the commonest label."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cry_tf.data.dataset import Dataset
from cry_tf.data.grouping import plural
from cry_tf.evaluation.figures import Estimate
from cry_tf.evaluation.metrics import measure
from cry_tf.runs.predictions import NO_FOLD, Predictions
from cry_tf.runs.progress import Progress
from cry_tf.studies.personal import held_out
from cry_tf.studies.personal.held_out import InfantClips, Judged, LeaveOneOut

SEEN, UNSEEN, BASELINE = "seen infant", "unseen infant", "baseline"
# A run that was trained on these very clips.
TRAINED_ON = "in training"
WITHIN = "majority within the infant"
RUN_NAMES = {UNSEEN: f"{UNSEEN}, the run", TRAINED_ON: "the run, not to be trusted"}
HEAD_NAMES = {"prototype": "prototypes", "logreg": "logistic regression"}
_SURE = 0.05


@dataclass(frozen=True)
class MethodFigures:
    """The figures of one method.

    Attributes:
        name: Name of the method.
        kind: `SEEN` was trained on clips of the infant, `UNSEEN` was not, `TRAINED_ON`
            is a run trained on these clips, `BASELINE` uses no sound.
        accuracy: With the 95 % interval of a bootstrap over infants; over clips, where
            there is one infant.
        balanced_accuracy: The same, each label counting the same.
        macro_f1: The same, of the mean F1.
        p_value: Of a permutation of the labels within each infant, see
            `held_out.permutation_p`; None where it was not computed.
        gained: Clips that this row gets right and the majority within the infant gets
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
        name: Name of the infant.
        clips: Number of different test clips.
        labels: Of all the infant's clips: label to count.
        right: Name of each row to the share of answers that are right.
    """

    name: str
    clips: int
    labels: dict[str, int]
    right: dict[str, float]


@dataclass(frozen=True)
class DesignComparison:
    """One design: training clips, test clips, and every row.

    Attributes:
        title: Name of the design, a few words.
        sentence: What was done.
        with_siblings: Whether training clips include near-copies of the test clip.
        clips: Number of different test clips.
        answers: Number of scored clips, more than `clips` with several draws.
        not_judged: Clips of these infants without training clips left.
        infants: One entry per infant with a test clip.
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
    rows: tuple[MethodFigures, ...]
    permutations: int

    def to_dict(self) -> dict[str, Any]:
        """Returns the comparison as JSON types only."""
        return dataclasses.asdict(self)

    @property
    def verdict(self) -> str:
        """A sentence: whether clips of the infant improved the result."""
        where = f"{self.title} ({plural(self.clips, 'clip')}, "
        where += f"{plural(len(self.infants), 'infant')})"
        tested = [row for row in self.rows if row.p_value is not None]
        if not tested:
            return f"{where}: too few clips to evaluate."
        parts, has_won = [], False
        within = self.row(WITHIN).accuracy.value or 0.0
        for row in tested:
            value, p_value = row.accuracy.value or 0.0, row.p_value or 0.0
            # Better than shuffled labels, and better than the commonest label.
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
    def run_row(self) -> MethodFigures:
        """The row of the run without any clip of the infant, or trained on them."""
        return next(row for row in self.rows if row.kind in RUN_NAMES)

    def row(self, name: str) -> MethodFigures:
        """Returns the row of that name."""
        return next(row for row in self.rows if row.name == name)


def compare(
    infants: Sequence[InfantClips],
    labels: Sequence[str],
    heads: Sequence[str],
    design: held_out.Design,
    title: str,
    *,
    with_siblings: bool,
    commonest: int,
    run_kind: str = UNSEEN,
    permutations: int = held_out.PERMUTATIONS,
    seed: int = 0,
    advance: Callable[[], None] = lambda: None,
) -> DesignComparison:
    """Evaluates personal models beside the run and the baselines.

    Args:
        infants: The infants; those without a test clip are left out.
        labels: Names of the labels, in the order of the scores.
        heads: Personal heads, of `HEAD_NAMES`.
        design: Chooses training and test clips.
        title: Name of the design.
        with_siblings: True trains on near-copies of the test clip.
        commonest: Index of the commonest label of the whole data set.
        run_kind: `UNSEEN`, or `TRAINED_ON` if the run was trained on these clips.
        permutations: Shuffles behind each p-value, positive.
        seed: Draws clips and shuffles.
        advance: Called after each head and infant.
    """
    found = {
        head: held_out.judge(
            infants, head, design, with_siblings=with_siblings, seed=seed
        )
        for head in heads
    }
    judged = found[heads[0]]  # every head scores the same clips
    pairs = set(zip(judged.infants.tolist(), judged.clips.tolist(), strict=True))
    total = sum(len(infant.truth) for infant in infants)
    rows: list[MethodFigures] = []
    scores: dict[str, np.ndarray] = {}
    if pairs:
        scores = _all_scores(infants, found, commonest, RUN_NAMES[run_kind])
        within = scores[WITHIN].argmax(axis=1)
        for name, values in scores.items():
            row = _row(name, infants, labels, judged, values)
            if isinstance(design, LeaveOneOut) and row.kind != BASELINE:
                row = _signed(row, infants, judged, values, within)
            rows.append(row)
        for place, head in enumerate(heads):
            p_value = held_out.permutation_p(
                infants,
                head,
                design,
                with_siblings=with_siblings,
                permutations=permutations,
                seed=seed,
                advance=advance,
            )
            rows[place] = dataclasses.replace(rows[place], p_value=p_value)
    return DesignComparison(
        title=title,
        sentence=design.sentence,
        with_siblings=with_siblings,
        clips=len(pairs),
        answers=len(judged.clips),
        not_judged=total - len(pairs),
        infants=_shares(infants, labels, judged, scores),
        rows=tuple(rows),
        permutations=permutations,
    )


def _all_scores(
    infants: Sequence[InfantClips],
    found: Mapping[str, Judged],
    commonest: int,
    run: str,
) -> dict[str, np.ndarray]:
    """Returns the scores `(judged, labels)` of every row, by its name."""
    judged = next(iter(found.values()))
    where = list(zip(judged.infants, judged.clips, strict=True))
    count = judged.scores.shape[1]
    own = [np.bincount(infant.truth, minlength=count) for infant in infants]
    certain = np.eye(count)
    return {
        **{f"{SEEN}, {HEAD_NAMES[head]}": found[head].scores for head in found},
        run: np.stack([infants[i].unseen[c] for i, c in where]),
        WITHIN: np.stack([certain[int(np.argmax(own[i]))] for i, _ in where]),
        "majority over all": np.tile(certain[commonest], (len(where), 1)),
    }


def _row(
    name: str,
    infants: Sequence[InfantClips],
    labels: Sequence[str],
    judged: Judged,
    scores: np.ndarray,
) -> MethodFigures:
    where = list(zip(judged.infants, judged.clips, strict=True))
    predictions = Predictions(
        files=tuple(f"{infants[i].name}/{c}" for i, c in where),
        labels=tuple(labels),
        truth=_truth(infants, judged),
        scores=scores,
        # Of one infant, the clips are what is drawn.
        groups=tuple(
            infants[i].name if len(infants) > 1 else f"{infants[i].name}/{c}"
            for i, c in where
        ),
        folds=np.full(len(where), NO_FOLD),
        durations_s=np.zeros(len(where)),
    )
    figures = measure(predictions).model
    kinds = {run: kind for kind, run in RUN_NAMES.items()}
    return MethodFigures(
        name,
        SEEN if name.startswith(SEEN) else kinds.get(name, BASELINE),
        figures.accuracy,
        figures.balanced_accuracy,
        figures.macro_f1,
    )


def _signed(
    row: MethodFigures,
    infants: Sequence[InfantClips],
    judged: Judged,
    scores: np.ndarray,
    within: np.ndarray,
) -> MethodFigures:
    from scipy.stats import binomtest

    truth = _truth(infants, judged)
    is_right, baseline = scores.argmax(axis=1) == truth, within == truth
    gained = int((is_right & ~baseline).sum())
    lost = int((~is_right & baseline).sum())
    p_value = float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
    return dataclasses.replace(row, gained=gained, lost=lost, sign_p_value=p_value)


def _shares(
    infants: Sequence[InfantClips],
    labels: Sequence[str],
    judged: Judged,
    scores: Mapping[str, np.ndarray],
) -> tuple[InfantShare, ...]:
    truth = _truth(infants, judged)
    found = []
    for place, infant in enumerate(infants):
        own = judged.infants == place
        if not own.any():
            continue
        counts = np.bincount(infant.truth, minlength=len(labels))
        right = {
            name: float((values[own].argmax(axis=1) == truth[own]).mean())
            for name, values in scores.items()
        }
        found.append(
            InfantShare(
                infant.name,
                len(np.unique(judged.clips[own])),
                {labels[i]: int(n) for i, n in enumerate(counts) if n},
                right,
            )
        )
    return tuple(found)


def _truth(infants: Sequence[InfantClips], judged: Judged) -> np.ndarray:
    return np.array(
        [
            infants[i].truth[c]
            for i, c in zip(judged.infants, judged.clips, strict=True)
        ],
        int,
    )


def write_answers(
    path: Path,
    infants: Sequence[InfantClips],
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
                held_out.judge(
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


def print_tables(progress: Progress, comparisons: Sequence[DesignComparison]) -> None:
    """Prints the rows of each comparison as a table."""
    for entry in comparisons:
        progress.line()
        if not entry.rows:
            progress.line(f"{entry.title}: too few clips")
            continue
        progress.line(f"{entry.title}: {entry.sentence}")
        progress.table(
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
    progress.line()
    progress.line(comparisons[0].verdict)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
