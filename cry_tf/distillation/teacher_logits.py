"""Logits of teachers, computed once, and batches with them for training."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from cry_lite.errors import SoundFileError
from cry_tf.data.clip import Clip, Problem
from cry_tf.data.dataset import Dataset
from cry_tf.data.decoding import decoding_threads
from cry_tf.data.embedding_plan import EmbeddingPlan
from cry_tf.data.embeddings import Embeddings
from cry_tf.data.waveform_batches import WaveformBatches
from cry_tf.distillation.teachers import TEACHER_FEATURES, TEACHER_LOGITS, WAVEFORM

if TYPE_CHECKING:
    import tensorflow as tf

    from cry_tf.augment.policy import Policy


@dataclass(frozen=True)
class TeacherLogits:
    """The logits of the clips of a dataset, and of their augmented copies.

    Attributes:
        values: Float32 `(clips, labels)`, or `(clips, teachers, labels)` of several
            teachers. What `Distiller` takes as `teacher_logits`.
        copies: The same of the copies: `(clips, copies, labels)` or `(clips,
            copies, teachers, labels)`; copies is 0 where none were asked for.
        features: Float32 `(clips, features)`, several teachers' one after the
            other, or None if they were not kept.
        feature_copies: `(clips, copies, features)`, or None.
        labels: Names of the teachers' labels, or None if unknown.
        dataset: The clips that have logits, in the same order.
        problems: The clips that could not be decoded, and why.
        notes: Sentences for the user, such as how many came from the cache.
        sample_rate_hz: At which the teachers' waveforms were made, None where
            each teacher had its own.
        augment: Policy of the copies, or None.
        seed: Drew them.
        max_seconds: Clips were cut to this, or None.
    """

    values: np.ndarray
    copies: np.ndarray
    features: np.ndarray | None
    feature_copies: np.ndarray | None
    dataset: Dataset
    labels: tuple[str, ...] | None = None
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    sample_rate_hz: int | None = None
    augment: Policy | None = field(default=None, repr=False)
    seed: int = 0
    max_seconds: float | None = None

    def __len__(self) -> int:
        """Returns the number of clips with logits."""
        return len(self.values)

    @property
    def clips(self) -> tuple[Clip, ...]:
        """The clips that have logits."""
        return self.dataset.clips

    @classmethod
    def of(
        cls, found: Sequence[Embeddings], counts: Sequence[int], **facts: Any
    ) -> TeacherLogits:
        """Splits cached outputs into logits and features.

        Args:
            found: Of each teacher, `(1, labels + features)` a clip.
            counts: How many labels each teacher has, the same of each.
            **facts: Further attributes.
        """
        count = counts[0]
        # (clips, 1 + copies, teachers, labels + features of each teacher)
        rows = [
            np.stack(
                [
                    np.concatenate([value, *copies])
                    for value, copies in zip(
                        each.values,
                        each.copies or ((),) * len(each.values),
                        strict=True,
                    )
                ]
            )
            for each in found
        ]
        logits = np.stack([row[..., :count] for row in rows], axis=2)
        if len(rows) == 1:
            logits = logits[:, :, 0]
        features = np.concatenate([row[..., count:] for row in rows], axis=-1)
        has_features = features.shape[-1] > 0
        notes = tuple(note for each in found for note in each.notes)
        return cls(
            values=logits[:, 0],
            copies=logits[:, 1:],
            features=features[:, 0] if has_features else None,
            feature_copies=features[:, 1:] if has_features else None,
            dataset=found[0].dataset,
            problems=found[0].problems,
            notes=tuple(note.replace("Embeddings", "Logits") for note in notes),
            **facts,
        )

    def beside(self, other: TeacherLogits) -> TeacherLogits:
        """Puts other labels after these, for a student of all of them.

        Args:
            other: What another teacher made of the same clips and copies.

        Returns:
            The labels and features of both, these first.

        Raises:
            ValueError: If the clips or the copies are others.
        """
        same = ("augment", "seed", "max_seconds", "clips")
        if self.copies.shape[:-1] != other.copies.shape[:-1] or any(
            getattr(self, name) != getattr(other, name) for name in same
        ):
            raise ValueError(
                "Logits can be put beside others of the same clips and copies. "
                f"Received: {len(self)} and {len(other)} clips, copies of "
                f"{self.copies.shape[1]} and {other.copies.shape[1]}. Ask TeacherCache "
                "for both with the same arguments."
            )
        names = None
        if self.labels is not None and other.labels is not None:
            names = self.labels + other.labels
        rates = {self.sample_rate_hz, other.sample_rate_hz}
        return dataclasses.replace(
            self,
            values=np.concatenate([self.values, other.values], axis=-1),
            copies=np.concatenate([self.copies, other.copies], axis=-1),
            features=_joined(self.features, other.features),
            feature_copies=_joined(self.feature_copies, other.feature_copies),
            labels=names,
            notes=self.notes + other.notes,
            sample_rate_hz=rates.pop() if len(rates) == 1 else None,
        )

    def to_tf(
        self,
        batch_size: int = 32,
        sample_rate_hz: int | None = None,
        shuffle: bool | None = None,
        seed: int = 0,
        labels: Sequence[str] | None = None,
    ) -> tf.data.Dataset:
        """Returns batches for `Distiller.fit` without a teacher.

        An epoch shows every clip once: as it is, or with `shuffle` as one of
        itself and its copies, drawn anew. Files are decoded and copies made in
        threads while the student works.

        Args:
            batch_size: Clips in a batch; the last batch may be smaller.
            sample_rate_hz: Rate of the student's waveforms, Hz. None takes that of
                the teachers, which it must be where there are copies.
            shuffle: True draws a new order, and new copies, each epoch; False does
                not, and None in `Distiller.fit` alone.
            seed: Draws them.
            labels: Labels of the student. A clip with another label has none: its
                place is -1; an empty sequence is for no labels at all. None takes
                the teachers', or where they know no names those of the dataset.

        Returns:
            A `tf.data.Dataset` of ({`waveform`, `teacher_logits`, and
            `teacher_features` if they were kept}, int32 places in the labels).

        Raises:
            ValueError: If an argument breaks its rule.
        """
        return batches(self, batch_size, sample_rate_hz, shuffle, seed, labels)


def _joined(one: np.ndarray | None, other: np.ndarray | None) -> np.ndarray | None:
    parts = [part for part in (one, other) if part is not None]
    return np.concatenate(parts, axis=-1) if parts else None


def batches(
    cached: TeacherLogits,
    batch_size: int,
    sample_rate_hz: int | None,
    shuffle: bool | None,
    seed: int,
    labels: Sequence[str] | None,
) -> tf.data.Dataset:
    """Returns what `TeacherLogits.to_tf` does."""
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1. Received: {batch_size=}.")
    names = tuple(_names(cached, labels))
    shapes = {WAVEFORM: [None], TEACHER_LOGITS: cached.values.shape[1:]}
    if cached.features is not None:
        shapes[TEACHER_FEATURES] = cached.features.shape[1:]
    x = {name: tf.TensorSpec([None, *shape]) for name, shape in shapes.items()}
    return WaveformBatches(
        lambda rate_hz, is_shuffled, _: _pipeline(
            cached, batch_size, rate_hz, is_shuffled, seed, names
        ),
        size=math.ceil(len(cached) / batch_size),
        sample_rate_hz=sample_rate_hz or cached.sample_rate_hz,
        shuffle=shuffle,
        labels=names,
        own_labels=names,
        element_spec=(x, tf.TensorSpec([None], tf.int32)),
    )


def _pipeline(
    cached: TeacherLogits,
    batch_size: int,
    rate_hz: int,
    shuffle: bool,
    seed: int,
    labels: Sequence[str],
) -> tf.data.Dataset:
    """Returns the pipeline itself."""
    copies = cached.copies.shape[1]
    if rate_hz <= 0 or (copies and rate_hz != cached.sample_rate_hz):
        raise ValueError(
            "sample_rate_hz must be the student's, and that at which the copies were "
            f"made. Received: sample_rate_hz={rate_hz}, copies made at "
            f"{cached.sample_rate_hz} Hz. Ask TeacherCache.logits for the student's."
        )
    plan = EmbeddingPlan(
        cached.clips, cached.max_seconds, cached.augment, copies, cached.seed
    )
    places = {name: place for place, name in enumerate(labels)}
    truth = np.array([places.get(clip.label, -1) for clip in cached.clips], np.int32)
    # (clips, 1 + copies, ...)
    kept = {TEACHER_LOGITS: _versions(cached.values, cached.copies)}
    if cached.features is not None and cached.feature_copies is not None:
        kept[TEACHER_FEATURES] = _versions(cached.features, cached.feature_copies)

    def decode(index: np.ndarray, version: np.ndarray) -> np.ndarray:
        entry = plan.entries[plan.keys[int(index)][int(version)]]
        try:
            return plan.waveform(entry, rate_hz)
        except OSError as error:
            raise SoundFileError(str(error)) from None

    def in_graph(index, version):
        waveform = tf.numpy_function(decode, [index, version], tf.float32)
        x = {WAVEFORM: tf.ensure_shape(waveform, [None])}
        for name, values in kept.items():
            x[name] = tf.gather_nd(values, tf.stack([index, version]))
        return x, tf.gather(truth, index)

    clips: Any = tf.data.Dataset.range(len(truth))
    if shuffle:
        clips = clips.shuffle(len(truth), seed=seed, reshuffle_each_iteration=True)
    if shuffle and copies:
        drawn: Any = tf.data.Dataset.random(seed, rerandomize_each_iteration=True)
        drawn = drawn.take(len(truth)).map(lambda number: number % (1 + copies))
        clips = tf.data.Dataset.zip(clips, drawn)
    else:
        clips = clips.map(lambda index: (index, tf.constant(0, tf.int64)))
    clips = clips.map(in_graph, num_parallel_calls=decoding_threads())
    return clips.padded_batch(batch_size).prefetch(tf.data.AUTOTUNE)


def _names(cached: TeacherLogits, labels: Sequence[str] | None) -> Sequence[str]:
    """Returns the names that places in the labels have; empty for no labels."""
    count = cached.values.shape[-1]
    if labels is None:
        names = cached.labels or cached.dataset.labels
        if len(names) != count:
            raise ValueError(
                "labels must name what the logits are of, where the teacher does not. "
                f"Received: labels=None for {count} logits, and {len(names)} labels of "
                "the dataset. Give the student's labels, or () to use no labels."
            )
        return names
    is_other = cached.labels is not None and tuple(labels) != cached.labels
    if len(labels) and (len(labels) != count or is_other):
        raise ValueError(
            "The student's labels must be the teacher's, in the same order. Received: "
            f"labels={tuple(labels)!r}, the teacher's {cached.labels or count}. Build "
            "the student with labels=teacher.labels."
        )
    return labels


def _versions(values: np.ndarray, copies: np.ndarray) -> tf.Tensor:
    return tf.constant(np.concatenate([values[:, None], copies], axis=1))
