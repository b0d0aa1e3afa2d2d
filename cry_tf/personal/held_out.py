"""Which clips of an infant are learned from, and which are then judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cry_tf.data.grouping import plural


@dataclass(frozen=True)
class LeaveOneOut:
    """Judges each clip after learning from all the others of the infant.

    Attributes:
        what: What is left out at once, a clip or a recording.
    """

    what: str = "clip"

    @property
    def sentence(self) -> str:
        """Says what is done."""
        others = "clips" if self.what == "clip" else "recordings"
        return (
            f"each {self.what} is judged by a model that learned from the infant’s "
            f"other {others}"
        )

    def splits(
        self, truth: np.ndarray, apart: np.ndarray, seed: int
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Returns (learned from, judged) pairs of places.

        Args:
            truth: Int array `(clips,)`; leaving one out does not look at it.
            apart: Bool `(clips, clips)`, False where the second clip may not be
                learned from when the first is judged.
            seed: Not used: nothing is drawn.

        Returns:
            One pair a clip; clips with nothing left to learn from have none.
        """
        clips = np.arange(len(truth))
        pairs = [(np.flatnonzero(apart[clip]), clips[[clip]]) for clip in clips]
        return [pair for pair in pairs if len(pair[0])]


@dataclass(frozen=True)
class FewShots:
    """Judges what is left after learning from `k` clips of each label.

    A label with fewer than `k + 1` clips teaches nothing, and its clips are judged
    all the same.

    Attributes:
        k: Clips a label, positive.
        draws: How often the clips are drawn anew, positive.
    """

    k: int
    draws: int = 20

    def __post_init__(self) -> None:
        """Checks the counts."""
        if self.k < 1 or self.draws < 1:
            raise ValueError(
                "k and draws must be at least 1. Received: "
                f"k={self.k!r}, draws={self.draws!r}."
            )

    @property
    def sentence(self) -> str:
        """Says what is done."""
        return (
            f"{plural(self.k, 'clip')} of each label with more are learned from, the "
            f"rest of the infant’s clips are judged; {self.draws} draws"
        )

    def splits(
        self, truth: np.ndarray, apart: np.ndarray, seed: int
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Returns (learned from, judged) pairs of places.

        Args:
            truth: Int array `(clips,)`.
            apart: Bool `(clips, clips)`, False where the second clip may not be
                learned from when the first is judged.
            seed: Draws the clips.

        Returns:
            One pair a draw; none if fewer than two labels have `k + 1` clips, and
            none for a draw that leaves nothing to judge.
        """
        labels, counts = np.unique(truth, return_counts=True)
        usable = labels[counts > self.k]
        if len(usable) < 2:
            return []
        rng = np.random.default_rng(seed)
        pairs = []
        for _ in range(self.draws):
            learned = np.concatenate(
                [
                    rng.choice(np.flatnonzero(truth == label), self.k, replace=False)
                    for label in usable
                ]
            )
            rest = np.setdiff1d(np.arange(len(truth)), learned)
            judged = rest[apart[np.ix_(rest, learned)].all(axis=1)]
            if len(judged):
                pairs.append((np.sort(learned), judged))
        return pairs


def apart_from(units: np.ndarray, are_siblings: np.ndarray | None = None) -> np.ndarray:
    """Returns which clips may be learned from when a clip is judged.

    Args:
        units: Array `(clips,)`: clips of one unit (the clip itself, or its
            recording) are left out together.
        are_siblings: Bool `(clips, clips)`, near-copies that are left out too.

    Returns:
        Bool `(clips, clips)`.
    """
    apart = units[:, None] != units[None, :]
    return apart if are_siblings is None else apart & ~are_siblings
