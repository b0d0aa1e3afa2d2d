"""What teachers made of the clips of a dataset."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cry_tf.data.clip import Clip, Problem
from cry_tf.data.dataset import Dataset
from cry_tf.data.embeddings import Embeddings

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
        labels: Names of the teachers' labels, or None if they do not know them.
        dataset: The clips that have logits, in the same order.
        problems: The clips that could not be decoded, and why.
        notes: What the user should know, such as how many came from the cache.
        sample_rate_hz: At which the teachers' waveforms were made, None where
            each teacher had its own.
        augment: Made the copies, or None.
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
        """Splits what the cache gave into logits and features.

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
        from cry_tf.distillation.batches import batches

        return batches(self, batch_size, sample_rate_hz, shuffle, seed, labels)


def _joined(one: np.ndarray | None, other: np.ndarray | None) -> np.ndarray | None:
    parts = [part for part in (one, other) if part is not None]
    return np.concatenate(parts, axis=-1) if parts else None
