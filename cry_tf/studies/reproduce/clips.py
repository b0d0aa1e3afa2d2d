"""The clips of each task of a paper, by clip and by infant."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cry_tf.data import detection_labels
from cry_tf.data.dataset import Dataset
from cry_tf.papers import papers
from cry_tf.papers.papers import Paper
from cry_tf.runs.progress import Progress

Split = Literal["by_clip", "by_infant"]
SPLITS: tuple[Split, ...] = ("by_clip", "by_infant")

BY_CLIP = (
    "BY CLIP, AS IN THE PAPER: clips of one infant are in training and in test at "
    "once. Such a figure measures how well infants of the training are recognised, "
    "not how the model does on a new infant. The column by infant measures that."
)

# A name of the event, such as crying_baby, and of no reason.
_EVENT = re.compile(r"cry|cries")


def by_clip(dataset: Dataset) -> Dataset:
    """Returns the clips with each a group of its own.

    Folds that keep groups whole are then stratified folds of clips, as both papers
    have them. Only a reproduction may ask for them, and its report says `BY_CLIP`.
    """
    clips = tuple(
        dataclasses.replace(clip, group=f"clip:{clip.name}") for clip in dataset.clips
    )
    return dataclasses.replace(dataset, clips=clips, grouping=BY_CLIP, problems=[])


def drawn(dataset: Dataset, most: int | None, seed: int) -> Dataset:
    """Returns a sample of the clips, stratified by label and infant.

    Args:
        dataset: The clips.
        most: How many; None for all. A label of an infant keeps a clip, so that
            there may be more where these are many.
        seed: Draws them.
    """
    if most is None or most >= len(dataset):
        return dataset
    rng = np.random.default_rng(seed)
    _, kind = np.unique(
        [f"{clip.label}\n{clip.group}" for clip in dataset.clips], return_inverse=True
    )
    rank = np.empty(len(dataset))  # of a clip among those alike, in [0, 1)
    for each in range(kind.max() + 1):
        alike = np.flatnonzero(kind == each)
        rank[alike] = rng.permutation(len(alike)) / len(alike)
    count = max(most, int((rank == 0).sum()))
    return dataset.subset(np.sort(np.argsort(rank, kind="stable")[:count]))


def is_synthetic(dataset: Dataset) -> bool:
    """Returns whether any clip is marked as synthetic."""
    return any(clip.columns.get("synthetic") == "yes" for clip in dataset.clips)


def for_task(
    dataset: Dataset, task: str, positive: tuple[str, ...] | None = None
) -> Dataset:
    """Returns the clips that a task is about.

    For `detect` these are all, labelled cry and no cry. For `reason` they are the
    cries whose label is a reason: other sounds, and labels that name the cry itself
    (`crying_baby`), are left out. Where no label is known as a cry, every label is
    taken for a reason.

    Args:
        dataset: The dataset as loaded.
        task: `detect` or `reason`.
        positive: Labels that mean a cry; None takes the well-known names.

    Raises:
        ValueError: If the labels do not do for the task.
    """
    labels = [clip.label for clip in dataset.clips]
    mapping = detection_labels.map_labels(labels, positive, task == "detect")
    if task == "detect":
        return dataset.map_labels(mapping, detection_labels.LABELS)
    cries = {label for label, _ in mapping.positive} or set(labels)
    reasons = sorted(name for name in cries if not _EVENT.search(name.lower()))
    if len(reasons) < 2:
        raise ValueError(
            "Rows about reasons need cries of at least two reasons. Received: labels "
            f"{', '.join(sorted(set(labels)))}. Name the reasons in the labels."
        )
    return dataset.map_labels(lambda name: name if name in reasons else None, reasons)


@dataclass(frozen=True)
class TaskClips:
    """The clips of each task.

    Attributes:
        datasets: By task, the clips under the paper's names of their labels.
        sha256: By task, their digest.
        reasons: By task, why its rows cannot be run; those have no clips.
    """

    datasets: dict[str, Dataset]
    sha256: dict[str, str]
    reasons: dict[str, str]

    @classmethod
    def of(
        cls,
        paper: Paper,
        dataset: Dataset,
        positive: tuple[str, ...] | None,
        progress: Progress,
    ) -> TaskClips:
        """Selects the clips of every task from a data set.

        Args:
            paper: The paper.
            dataset: The usable clips.
            positive: Labels that mean a cry; None takes the well-known names.
            progress: Takes what the data contain for each task.
        """
        found = cls({}, {}, {})
        for task in sorted({row.task for row in paper.rows}):
            try:
                clips = for_task(dataset, task, positive)
            except ValueError as error:
                found.reasons[task] = str(error)
                continue
            if task == "reason":
                clips = papers.in_its_words(paper, clips)
            found.datasets[task], found.sha256[task] = clips, clips.sha256
            progress.line(f"{task}: {clips!r}")
            for note in clips.notes:
                progress.line(f"  {note}")
        return found
