"""Judges personal models, the run and the baselines on the same clips."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from cry_tf.evaluation.metrics import measure
from cry_tf.evaluation.predictions import NO_FOLD, Predictions
from cry_tf.personal import trial
from cry_tf.personal.comparison import (
    BASELINE,
    HEAD_NAMES,
    RUN_NAMES,
    SEEN,
    UNSEEN,
    WITHIN,
    Comparison,
    InfantShare,
    Row,
)
from cry_tf.personal.held_out import LeaveOneOut
from cry_tf.personal.trial import Infant, Judged


def compare(
    infants: Sequence[Infant],
    labels: Sequence[str],
    heads: Sequence[str],
    design: trial.Design,
    title: str,
    *,
    with_siblings: bool,
    commonest: int,
    run_kind: str = UNSEEN,
    permutations: int = trial.PERMUTATIONS,
    seed: int = 0,
    tell: Callable[[], None] = lambda: None,
) -> Comparison:
    """Judges personal models beside the run and the baselines.

    Args:
        infants: The infants; those that the design cannot judge are left out.
        labels: Names of the labels, in the order of the scores.
        heads: Personal heads, of `HEAD_NAMES`.
        design: What is learned from and what is judged.
        title: Of the design.
        with_siblings: True learns from near-copies of the clip that is judged.
        commonest: Index of the commonest label of the whole data set.
        run_kind: `UNSEEN`, or `HEARD` if the run was trained on these clips.
        permutations: Shuffles behind each p-value, positive.
        seed: Draws clips and shuffles.
        tell: Called after each head and infant.
    """
    found = {
        head: trial.judge(infants, head, design, with_siblings=with_siblings, seed=seed)
        for head in heads
    }
    judged = found[heads[0]]  # every head is judged on the same clips
    pairs = set(zip(judged.infants.tolist(), judged.clips.tolist(), strict=True))
    total = sum(len(infant.truth) for infant in infants)
    rows: list[Row] = []
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
            p_value = trial.permutation_p(
                infants,
                head,
                design,
                with_siblings=with_siblings,
                permutations=permutations,
                seed=seed,
                tell=tell,
            )
            rows[place] = dataclasses.replace(rows[place], p_value=p_value)
    return Comparison(
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
    infants: Sequence[Infant], found: Mapping[str, Judged], commonest: int, run: str
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
    infants: Sequence[Infant],
    labels: Sequence[str],
    judged: Judged,
    scores: np.ndarray,
) -> Row:
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
    return Row(
        name,
        SEEN if name.startswith(SEEN) else kinds.get(name, BASELINE),
        figures.accuracy,
        figures.balanced_accuracy,
        figures.macro_f1,
    )


def _signed(
    row: Row,
    infants: Sequence[Infant],
    judged: Judged,
    scores: np.ndarray,
    within: np.ndarray,
) -> Row:
    from scipy.stats import binomtest

    truth = _truth(infants, judged)
    is_right, baseline = scores.argmax(axis=1) == truth, within == truth
    gained = int((is_right & ~baseline).sum())
    lost = int((~is_right & baseline).sum())
    p_value = float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
    return dataclasses.replace(row, gained=gained, lost=lost, sign_p_value=p_value)


def _shares(
    infants: Sequence[Infant],
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


def _truth(infants: Sequence[Infant], judged: Judged) -> np.ndarray:
    return np.array(
        [
            infants[i].truth[c]
            for i, c in zip(judged.infants, judged.clips, strict=True)
        ],
        int,
    )
