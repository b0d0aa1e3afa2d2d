"""Prototypes of one infant: each shrunk towards the run's own."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from cry_tf.heads.features import Standardization
from cry_tf.heads.prototypes import PrototypeHead

# How many of the infant's clips the run's prototype counts as.
PRIOR_CLIPS = 1.0


@dataclass(frozen=True)
class PrototypeAdapter:
    """Moves the run's prototypes towards a few clips of one infant.

    With `n` clips of a label, its new prototype is the direction of `prior_clips *
    run's + n * mean direction of the clips`, so one clip suffices and a label
    without clips keeps the run's. Before, the center moves to what the infant's
    clips have in common whatever their label (the voice, the room, the device),
    by the share `n / (n + prior_clips)`; clips of one label alone cannot tell
    the two apart and leave it where it is.

    Attributes:
        base: The run's prototypes.
        prior_clips: Weight of the run's prototype in clips, positive.
    """

    base: PrototypeHead
    prior_clips: float = PRIOR_CLIPS

    def __post_init__(self) -> None:
        """Checks the weight."""
        if not self.prior_clips > 0:
            raise ValueError(
                "prior_clips must be positive. Received: "
                f"prior_clips={self.prior_clips!r}."
            )

    def adapt(self, features: np.ndarray, truth: np.ndarray) -> PrototypeHead:
        """Returns prototypes for the infant; without a clip, the run's.

        Args:
            features: Float array `(clips, features)`, pooled embeddings.
            truth: Int array `(clips,)` in [0, labels).
        """
        if not len(truth):
            return self.base
        base, present = self.base, np.unique(truth)
        vectors = base.standardize(features)
        offset = np.zeros(vectors.shape[1])
        if len(present) > 1:
            means = [vectors[truth == label].mean(axis=0) for label in present]
            share = len(truth) / (len(truth) + self.prior_clips)
            offset = share * np.mean(means, axis=0)
        directions = _unit(vectors - offset)
        prototypes, bias = base.prototypes.copy(), base.bias.copy()
        for label in present:
            total = directions[truth == label].sum(axis=0)
            total += self.prior_clips * base.prototypes[:, label]
            prototypes[:, label] = _unit(total[None])[0]
            bias[label] = 0.0
        deviation = base.standardize.deviation
        moved = Standardization(base.standardize.mean + offset * deviation, deviation)
        return PrototypeHead(moved, prototypes, bias, base.scale)

    def compact(self, features: np.ndarray) -> tuple[PrototypeAdapter, np.ndarray]:
        """Returns the same problem in as few dimensions as there are vectors.

        Clips and prototypes span a small space in which every angle is the same,
        so what is fitted there gives the same scores, a hundred times faster.

        Args:
            features: Float array `(clips, features)` of every clip that the
                adapter will meet.

        Returns:
            An adapter and features `(clips, clips + labels or fewer)`.
        """
        vectors = self.base.standardize(features)
        spanning = np.concatenate([vectors.T, self.base.prototypes], axis=1)
        basis, _ = np.linalg.qr(spanning)
        small = PrototypeHead(
            Standardization(np.zeros(basis.shape[1]), np.ones(basis.shape[1])),
            basis.T @ self.base.prototypes,
            self.base.bias,
            self.base.scale,
        )
        return dataclasses.replace(self, base=small), vectors @ basis


def _unit(rows: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(lengths, 1e-6)
