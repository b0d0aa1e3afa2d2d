"""The first step of every run: usable clips, labels, bandwidth and folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cry_hub import registry
from cry_lite.spec import FrontEndSpec
from cry_tf.data import detection_labels
from cry_tf.data.bandwidth import (
    USABLE_SHARE,
    Bandwidth,
    native_sample_rates,
    shared_bandwidth,
)
from cry_tf.data.clip import Problem
from cry_tf.data.dataset import Dataset, split_indices
from cry_tf.data.detection_labels import LabelMapping
from cry_tf.runs.progress import Progress
from cry_tf.training.context import RunContext
from cry_tf.training.settings import Settings
from cry_tf.training.trainer import HoldOut


@dataclass(frozen=True)
class Prepared:
    """Clips that can be decoded, under the labels of the model.

    Attributes:
        dataset: The clips; its labels are the model's, in its order.
        problems: Clips that were left out, and why.
        mapping: Of `detect`: which labels mean a cry.
        bandwidth: What the front end leaves out, and why.
        source: The recordings that the clips were drawn from, None where they are
            recordings themselves.
    """

    dataset: Dataset
    problems: tuple[Problem, ...]
    mapping: LabelMapping | None
    bandwidth: Bandwidth
    source: Dataset | None = None

    @property
    def recordings(self) -> Dataset:
        """The recordings behind the clips."""
        return self.dataset if self.source is None else self.source


def prepare(dataset: Dataset, settings: Settings, context: RunContext) -> Prepared:
    """Checks the clips, maps the labels and chooses the bandwidth.

    Args:
        dataset: The dataset as loaded.
        settings: Settings of the run.
        context: Its progress takes the label mapping, bad clips and the bandwidth.

    Returns:
        What can be trained on.

    Raises:
        ValueError: If no clip is usable, or labels or groups do not suffice
            for the task and the number of folds.
    """
    mapping, progress = None, context.progress
    progress.line(f"data: {dataset!r}")
    for note in (dataset.grouping, *dataset.notes):
        if note:
            progress.line(f"  {note}")
    if settings.task == "detect":
        dataset, unsure = detection_labels.without_unsure(dataset, settings.positive)
        if unsure:
            progress.line(f"  {unsure}")
        clip_labels = [clip.label for clip in dataset.clips]
        mapping = detection_labels.map_labels(clip_labels, settings.positive)
        dataset = dataset.map_labels(mapping, detection_labels.LABELS)
        progress.line("labels:")
        for sentence in mapping.sentences():
            progress.line(f"  {sentence}")
    # Checked before every clip is decoded, and again after.
    dataset.require_trainable(settings.task, settings.folds)
    usable, problems = leave_out_bad_clips(dataset, progress)
    usable.require_trainable(settings.task, settings.folds)
    front_end = registry.get(settings.backbone).front_end
    bandwidth = choose_bandwidth(usable, settings.bandwidth, front_end)
    progress.line(f"bandwidth: {bandwidth.reason}")
    return Prepared(usable, problems, mapping, bandwidth)


def leave_out_bad_clips(
    dataset: Dataset, progress: Progress
) -> tuple[Dataset, tuple[Problem, ...]]:
    """Decodes every clip and leaves out what cannot be used.

    Args:
        dataset: The clips.
        progress: Takes a warning for each clip with a problem.

    Returns:
        The usable clips, and the problems of the others.

    Raises:
        ValueError: If no clip is left.
    """
    problems = dataset.check_audio()
    for problem in problems:
        progress.warn(
            problem.sentence if problem.is_usable else f"left out: {problem.sentence}"
        )
    bad = tuple(problem for problem in problems if not problem.is_usable)
    usable = dataset.without(problem.clip for problem in bad)
    if not len(usable):
        raise ValueError(
            f"At least one clip must be usable. Received: {len(dataset)} clips, all "
            f"with a problem. The first: {bad[0].sentence}"
        )
    return usable, bad


def choose_bandwidth(
    dataset: Dataset, asked: str | float | None, front_end: FrontEndSpec
) -> Bandwidth:
    """Chooses the cutoff frequency of the front end.

    With `auto`, clips of different sample rates get the same bandwidth, so that the
    rate does not give the label away. Where all clips are narrower than the model's
    input, higher frequencies are removed on the device as well.

    Args:
        dataset: The clips.
        asked: `auto`, None for the whole spectrum, or a frequency in Hz.
        front_end: Front end of the backbone.

    Returns:
        The cut-off in Hz, None for the whole spectrum, and the reason.
    """
    if asked is None:
        return Bandwidth(None, "the whole spectrum, as asked for.")
    if isinstance(asked, float | int):
        return Bandwidth(float(asked), f"nothing above {asked:g} Hz, as asked for.")
    found, why = shared_bandwidth(dataset), ""
    cutoff_hz = found.cutoff_hz
    if cutoff_hz is None:  # one rate for all
        rates = set().union(*native_sample_rates(dataset).values())
        cutoff_hz = USABLE_SHARE * min(rates, default=front_end.sample_rate_hz)
        why = ", so that a device does not bring what training never had"
    if cutoff_hz >= front_end.max_hz:
        return Bandwidth(
            None,
            f"every clip holds the {front_end.max_hz:g} Hz that the model uses.",
        )
    removed = f" The model gets nothing above {cutoff_hz:.0f} Hz{why}."
    return Bandwidth(cutoff_hz, found.reason + removed)


def hold_out_of(dataset: Dataset, settings: Settings) -> HoldOut | None:
    """Returns a function that takes validation clips from training clips, by group.

    None if the recipe holds none out.
    """
    share = settings.recipe.validation
    if not share:
        return None

    def split(indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        train, held = split_indices(dataset.subset(indices), share, settings.seed)
        return indices[train], indices[held]

    return split


def draw_folds(
    dataset: Dataset, settings: Settings, context: RunContext
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Draws the folds of a run, and checks that every one can be trained.

    Args:
        dataset: The clips.
        settings: Settings of the run: number of folds, seed, recipe.
        context: Takes warnings of labels that a fold does not hold out.

    Returns:
        Places of the training and of the test clips of each fold.

    Raises:
        ValueError: If a training part lacks a label, or too few groups are left
            to hold validation clips out.
    """
    folds = dataset.fold_indices(settings.folds, settings.seed)
    check_folds(dataset, folds, settings, context)
    return folds


def check_folds(
    dataset: Dataset,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    settings: Settings,
    context: RunContext,
) -> None:
    """Checks these folds; arguments and errors as in `draw_folds`."""
    hold_out = hold_out_of(dataset, settings)
    for number, (train, test) in enumerate(folds):
        lacking = [_lacking(dataset, part) for part in (train, test)]
        if lacking[0]:
            raise ValueError(
                "The training clips of a fold must hold every label. Fold "
                f"{number} lacks {', '.join(lacking[0])}: all its groups are held "
                "out. Take fewer folds or another seed, or record more sources."
            )
        if lacking[1]:
            context.progress.warn(
                f"fold {number} has no test clip of {', '.join(lacking[1])}: too few "
                "groups have this label"
            )
        if hold_out is not None:
            try:
                hold_out(train)
            except ValueError as error:
                raise ValueError(
                    f"The recipe {settings.recipe.name} holds validation clips out "
                    f"of each fold's training clips, by group. Fold {number}: {error} "
                    "Or take a recipe without validation: quick or full."
                ) from error


def _lacking(dataset: Dataset, places: np.ndarray) -> list[str]:
    found = set(dataset.label_indices[places])
    return [label for n, label in enumerate(dataset.labels) if n not in found]
