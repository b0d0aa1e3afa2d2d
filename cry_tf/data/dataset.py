"""A labelled set of recordings, grouped by source."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from cry_tf.data import decoding, joining, pipeline
from cry_tf.data.clip import (
    Augmentation,
    Clip,
    OnError,
    Problem,
    class_indices,
    label_name,
)
from cry_tf.data.content_digest import content_digests
from cry_tf.data.grouping import plural

if TYPE_CHECKING:
    import tensorflow as tf

    from cry_tf.data.epoch_order import EpochOrder


@dataclass(frozen=True)
class Dataset:
    """Clips with labels and groups; immutable.

    `cry_tf.data.load` makes one from a folder or a manifest.

    Attributes:
        clips: The recordings, in a fixed order.
        labels: Names of the classes. A clip's class index is the place of its
            label here; a part of a dataset keeps all labels of the whole.
        grouping: How clips were grouped by source, a sentence.
        notes: Further remarks on how it was read.
        problems: Clips that `to_tf` or `waveforms` left out with
            `on_error="skip"`, filled while they are decoded.
    """

    clips: tuple[Clip, ...]
    labels: tuple[str, ...]
    grouping: str = ""
    notes: tuple[str, ...] = ()
    problems: list[Problem] = field(default_factory=list, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Checks that labels are unique and every clip has one of them."""
        object.__setattr__(self, "clips", tuple(self.clips))
        object.__setattr__(self, "labels", tuple(map(label_name, self.labels)))
        if len(set(self.labels)) != len(self.labels):
            raise ValueError(f"labels must differ. Received: labels={self.labels}.")
        for clip in self.clips:
            if clip.label not in self.labels:
                raise ValueError(
                    f"Every clip's label must be one of {self.labels}. Received: "
                    f"{clip.label!r} of {clip.name}."
                )

    def __len__(self) -> int:
        """Returns the number of clips."""
        return len(self.clips)

    def __add__(self, other: Dataset) -> Dataset:
        """Puts two datasets together; see `cry_tf.data.joining` for the rules."""
        if not isinstance(other, Dataset):
            return NotImplemented
        return Dataset(*joining.join(self, other))

    def __repr__(self) -> str:
        """Returns the counts, not the clips."""
        groups = len(set(self.groups))
        named = [f"{label} {count}" for label, count in self.label_counts.items()]
        if len(named) > 10:
            named[10:] = [f"and {len(named) - 10} more labels"]
        return f"Dataset({len(self)} clips, {groups} groups: {', '.join(named)})"

    @property
    def groups(self) -> np.ndarray:
        """Each clip's group, str `(clips,)`."""
        return np.array([clip.group for clip in self.clips], dtype=np.str_)

    @property
    def domains(self) -> np.ndarray:
        """Each clip's recorder or data set, str `(clips,)`, empty where not stated."""
        return np.array([clip.domain for clip in self.clips], dtype=np.str_)

    @property
    def label_indices(self) -> np.ndarray:
        """Each clip's class, int32 `(clips,)` in [0, labels)."""
        return class_indices(self.clips, self.labels)

    @property
    def label_counts(self) -> dict[str, int]:
        """Number of clips of each label, 0 where there is none."""
        counts = Counter(clip.label for clip in self.clips)
        return {label: counts[label] for label in self.labels}

    @property
    def group_counts(self) -> dict[str, int]:
        """Number of different groups of each label."""
        counts = Counter(label for label, _ in {(c.label, c.group) for c in self.clips})
        return {label: counts[label] for label in self.labels}

    @property
    def sha256(self) -> str:
        """Digest of names, labels, groups and file contents, whatever the order.

        Raises:
            OSError: If a file cannot be read.
        """
        contents = content_digests(clip.path for clip in self.clips)
        rows = sorted(
            (clip.name, clip.label, clip.group, content)
            for clip, content in zip(self.clips, contents, strict=True)
        )
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()

    def subset(self, indices: Iterable[int] | np.ndarray) -> Dataset:
        """Returns the clips at these places, in this order, with all labels."""
        chosen = tuple(self.clips[int(index)] for index in indices)
        return dataclasses.replace(self, clips=chosen, problems=[])

    def without(self, clips: Iterable[Clip]) -> Dataset:
        """Returns the dataset without some clips, compared by path."""
        left_out = {clip.path for clip in clips}
        return self.subset(
            index for index, clip in enumerate(self.clips) if clip.path not in left_out
        )

    def with_notes(self, *notes: str) -> Dataset:
        """Returns the dataset with further notes for the user."""
        return dataclasses.replace(self, notes=self.notes + notes)

    def with_labels(self, labels: Sequence[str]) -> Dataset:
        """Returns the same clips with these labels, in this order.

        Args:
            labels: At least those that clips have, as `model.labels`.

        Raises:
            ValueError: If clips have other labels.
        """
        class_indices(self.clips, labels)
        return dataclasses.replace(self, labels=tuple(labels), problems=self.problems)

    def map_labels(
        self,
        function: Callable[[str], str | None],
        labels: Sequence[str] | None = None,
    ) -> Dataset:
        """Renames or merges labels, or leaves some out.

        Args:
            function: Old label -> new label, or None to leave its clips out.
            labels: The new labels in the order wanted, all that `function`
                gives. None sorts them by name.

        Returns:
            A new dataset.

        Raises:
            ValueError: If `function` gives a label that is not in `labels`.
        """
        renamed = {label: function(label) for label in self.labels}
        clips = tuple(
            dataclasses.replace(clip, label=new)
            for clip in self.clips
            if (new := renamed[clip.label]) is not None
        )
        if labels is None:
            labels = sorted({new for new in renamed.values() if new is not None})
        return dataclasses.replace(self, clips=clips, labels=labels, problems=[])

    def require_trainable(
        self, task: Literal["detect", "reason"], folds: int = 2
    ) -> None:
        """Checks that a model can be trained and cross-validated on this dataset.

        Args:
            task: `detect` takes two labels, `reason` two or more.
            folds: Number of cross-validation folds, at least 2; 2 also for a
                single split. Each label needs that many groups.

        Raises:
            ValueError: With the label, its count, and the most folds possible.
        """
        require_trainable(self, task, folds)

    def split(self, test_size: float = 0.2, seed: int = 0) -> tuple[Dataset, Dataset]:
        """Splits by group, each label in about the same share on both sides.

        Args:
            test_size: Share of the clips in the test set, in (0, 1), approximate
                because groups are kept whole. Default: 0.2.
            seed: Int, random seed; the same seed gives the same split.

        Returns:
            (train, test). Every label is in both.

        Raises:
            ValueError: If `test_size` is outside (0, 1) or a label has fewer
                than two groups.
        """
        train, test = split_indices(self, test_size, seed)
        return self.subset(train), self.subset(test)

    def folds(self, k: int = 5, seed: int = 0) -> list[tuple[Dataset, Dataset]]:
        """Returns k (train, test) pairs; each clip is in one test set.

        See `fold_indices` for the arguments, the rules and the errors.
        """
        return [
            (self.subset(train), self.subset(test))
            for train, test in self.fold_indices(k, seed)
        ]

    def fold_indices(
        self, k: int = 5, seed: int = 0
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Returns k (train, test) pairs of places in `clips`.

        Groups are kept whole. Every test set holds every label unless groups
        with several labels make that impossible.

        Args:
            k: Number of folds, at least 2.
            seed: Int, random seed; the same seed gives the same folds.

        Raises:
            ValueError: If a label has fewer than `k` groups.
        """
        return fold_indices(self, k, seed)

    def waveforms(
        self,
        sample_rate_hz: int,
        on_error: OnError = "raise",
        max_seconds: float | None = None,
    ) -> Iterator[tuple[Clip, np.ndarray]]:
        """Yields each clip with its waveform, decoded ahead in threads.

        Args:
            sample_rate_hz: Sample rate to convert to, Hz.
            on_error: `raise` stops at a file that cannot be decoded, naming
                it; `skip` leaves it out and adds it to `problems`.
            max_seconds: Longer clips are cut to this, s; None keeps all.

        Yields:
            (clip, float32 `(samples,)` in [-1, 1]), in the order of `clips`.

        Raises:
            SoundFileError: For a bad file, with `on_error="raise"`.
        """
        return decoding.waveforms(self, sample_rate_hz, on_error, max_seconds)

    def check_audio(self) -> list[Problem]:
        """Decodes every clip and returns the problems found.

        See `cry_tf.data.decoding`. To leave out what cannot be used:
        `dataset.without(p.clip for p in problems if not p.is_usable)`.
        """
        return decoding.check_audio(self)

    def to_tf(
        self,
        batch_size: int = 32,
        sample_rate_hz: int | None = None,
        shuffle: bool | None = None,
        seed: int = 0,
        max_seconds: float | None = None,
        on_error: OnError = "raise",
        augment: Augmentation | None = None,
        order: EpochOrder | None = None,
        labels: Sequence[str] | None = None,
    ) -> tf.data.Dataset:
        """Returns batches of waveforms and class indices, a `tf.data.Dataset`.

        A model of cry-tf takes them at its own sample rate and with its labels,
        shuffled in `fit`. Any other model needs `sample_rate_hz`. Arguments and
        elements: `cry_tf.data.pipeline.to_tf`.
        """
        return pipeline.to_tf(
            self,
            batch_size,
            sample_rate_hz,
            shuffle,
            seed,
            max_seconds,
            on_error,
            augment,
            order,
            labels,
        )


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
        """How far the shares are from `test_size`; a label on one side weighs most."""
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
