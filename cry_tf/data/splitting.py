"""Splits that keep every source on one side and every label on both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from cry_tf.data.grouping import plural

if TYPE_CHECKING:
    from cry_tf.data.dataset import Dataset

# A draw of folds that leaves a label out of a test set is drawn again this often.
_DRAWS = 20
_NAMED = 5


def require_trainable(
    dataset: Dataset, task: Literal["detect", "reason"], folds: int
) -> None:
    """Checks labels and groups; see `Dataset.require_trainable`."""
    if task not in ("detect", "reason"):
        raise ValueError(f"task must be detect or reason. Received: task={task!r}.")
    present = [label for label, count in dataset.label_counts.items() if count]
    if len(present) < 2:
        raise ValueError(
            "Training needs clips of at least two labels. Received: "
            f"{len(dataset)} clips, labels {present}. Add recordings of another "
            "label; a detector needs sounds that are no cry as well."
        )
    if task == "detect" and len(dataset.labels) != 2:
        raise ValueError(
            "The task detect needs two labels, cry and not. Received: "
            f"labels={list(dataset.labels)}. Merge them with map_labels, or train the "
            "task reason."
        )
    _require_groups(dataset, folds)


def _require_groups(dataset: Dataset, folds: int, what: str = "") -> None:
    counts = dataset.group_counts
    short = {label: count for label, count in counts.items() if count < folds}
    if not short:
        return
    clips = dataset.label_counts
    named = ", ".join(
        f"{label!r} has {count} ({plural(clips[label], 'clip')})"
        for label, count in list(short.items())[:_NAMED]
    )
    if len(short) > _NAMED:
        named += f" and {plural(len(short) - _NAMED, 'label')} more"
    most = min(counts.values())
    raise ValueError(
        f"{what or f'Training with {folds} folds'} needs {folds} different groups "
        f"(sources) of every label, since a group stays on one side. Too few: {named}. "
        + (f"The most that works is {most} folds. " if most >= 2 else "")
        + "Record more sources, or leave the label out."
    )


def fold_indices(
    dataset: Dataset, k: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Draws grouped, stratified folds; see `Dataset.fold_indices`."""
    if k < 2:
        raise ValueError(f"k must be at least 2. Received: k={k}.")
    _require_groups(dataset, k, f"Cross-validation with {k} folds")
    from sklearn.model_selection import StratifiedGroupKFold

    classes = dataset.label_indices
    groups = dataset.groups
    best: list[tuple[np.ndarray, np.ndarray]] = []
    fewest = np.inf
    for draw in np.random.SeedSequence(seed).generate_state(_DRAWS):
        splitter = StratifiedGroupKFold(k, shuffle=True, random_state=int(draw))
        folds = list(splitter.split(classes, classes, groups))
        absent = sum(
            len(dataset.labels) - len(np.unique(classes[test])) for _, test in folds
        )
        if absent < fewest:
            best, fewest = folds, absent
        if absent == 0:
            break
    return best


def split_indices(
    dataset: Dataset, test_size: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draws one grouped, stratified split; see `Dataset.split`.

    Groups are tried in a random order. One is taken into the test set where
    that brings the share of its labels, in clips and in groups, nearer to
    `test_size`; each label counts the same, however rare.

    Returns:
        (train, test), rising places in `dataset.clips`.
    """
    if not 0 < test_size < 1:
        raise ValueError(
            f"test_size must be a share in (0, 1). Received: test_size={test_size}."
        )
    _require_groups(dataset, 2, "A split")
    names, group_of = np.unique(dataset.groups, return_inverse=True)
    counts = np.zeros((len(names), len(dataset.labels)))
    np.add.at(counts, (group_of, dataset.label_indices), 1)
    # (groups, 2 * labels): what share of each label's clips and groups it holds.
    shares = np.hstack([counts / counts.sum(0), (counts > 0) / (counts > 0).sum(0)])
    order = np.random.default_rng(seed).permutation(len(names))
    chosen = np.zeros(len(names), bool)

    def distance(choice: np.ndarray) -> float:
        """How far each share is from the wish; a label on one side counts most."""
        taken = shares[choice].sum(axis=0)
        lost = (taken < 1e-9) | (taken > 1 - 1e-9)
        return float(((taken - test_size) ** 2).sum() + 10 * lost.sum())

    best = distance(chosen)
    # One pass fills the test set; further ones exchange until nothing helps.
    improved = True
    while improved:
        improved = False
        for group in order:
            chosen[group] ^= True
            if (now := distance(chosen)) < best - 1e-12:
                best, improved = now, True
            else:
                chosen[group] ^= True
    in_test = chosen[group_of]
    return np.flatnonzero(~in_test), np.flatnonzero(in_test)
