"""Holds clips of an infant out, scores them, and shuffles labels for p-values."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from cry_tf.data.grouping import plural
from cry_tf.heads.fitting import FittedHead


@dataclass(frozen=True)
class LeaveOneOut:
    """Scores each clip by a model trained on the infant's other clips.

    Attributes:
        what: What is left out at once, a clip or a recording.
    """

    what: str = "clip"

    @property
    def sentence(self) -> str:
        """A sentence on the design."""
        others = "clips" if self.what == "clip" else "recordings"
        return (
            f"each {self.what} is scored by a model trained on the infant’s "
            f"other {others}"
        )

    def splits(
        self, truth: np.ndarray, apart: np.ndarray, seed: int
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Returns (training, test) pairs of places.

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
    """Trains on `k` clips of each label, and scores the infant's other clips.

    A label with fewer than `k + 1` clips is not trained on, and its clips are scored
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
        """A sentence on the design."""
        return (
            f"{plural(self.k, 'clip')} of each label with more are learned from, the "
            f"rest of the infant’s clips are scored; {self.draws} draws"
        )

    def splits(
        self, truth: np.ndarray, apart: np.ndarray, seed: int
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Returns (training, test) pairs of places.

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
    """Returns which clips may be trained on when a clip is scored.

    Args:
        units: Array `(clips,)`: clips of one unit (the clip itself, or its
            recording) are left out together.
        are_siblings: Bool `(clips, clips)`, near-copies that are left out too.

    Returns:
        Bool `(clips, clips)`.
    """
    apart = units[:, None] != units[None, :]
    return apart if are_siblings is None else apart & ~are_siblings


PERMUTATIONS = 1000


class Adapter(Protocol):
    """Fits a head for one infant; `PrototypeAdapter` is one."""

    def adapt(self, features: np.ndarray, truth: np.ndarray) -> FittedHead:
        """Returns a head from clips `(clips, features)` and labels `(clips,)`."""
        ...

    def compact(self, features: np.ndarray) -> tuple[Any, np.ndarray]:
        """Returns the same problem in few dimensions."""
        ...


class Design(Protocol):
    """Chooses training and test clips; `LeaveOneOut` is one."""

    @property
    def sentence(self) -> str:
        """A sentence on the design."""
        ...

    def splits(
        self, truth: np.ndarray, apart: np.ndarray, seed: int
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Returns (training, test) pairs of places."""
        ...


@dataclass(frozen=True)
class InfantClips:
    """The clips of one infant, and what personal models start from.

    Attributes:
        name: Group of the clips.
        places: Int array `(clips,)`, where they stand in the data set.
        truth: Int array `(clips,)`.
        features: For each personal head, float `(clips, features)`.
        adapters: For each personal head, from the run without this infant.
        unseen: Float array `(clips, labels)`, scores of the run itself.
        units: Array `(clips,)`, see `held_out.apart_from`.
        are_siblings: Bool `(clips, clips)`, near-copies.
    """

    name: str
    places: np.ndarray
    truth: np.ndarray
    features: dict[str, np.ndarray]
    adapters: dict[str, Adapter]
    unseen: np.ndarray
    units: np.ndarray
    are_siblings: np.ndarray


@dataclass(frozen=True)
class Judged:
    """Scores; a clip occurs once for each time it was scored.

    Attributes:
        infants: Int array `(judged,)`, place among the infants.
        clips: Int array `(judged,)`, place among the infant's clips.
        scores: Float array `(judged, labels)`.
    """

    infants: np.ndarray
    clips: np.ndarray
    scores: np.ndarray


def judge(
    infants: Sequence[InfantClips],
    head: str,
    design: Design,
    *,
    with_siblings: bool,
    seed: int = 0,
) -> Judged:
    """Scores clips with personal models that did not learn from them.

    Args:
        infants: The infants.
        head: Which personal head.
        design: Chooses training and test clips.
        with_siblings: True trains on near-copies of the test clip.
        seed: Of the draws.
    """
    rows: list[tuple[int, int, np.ndarray]] = []
    for place, infant in enumerate(infants):
        adapter, features = infant.adapters[head].compact(infant.features[head])
        for learned, judged in _splits(infant, design, with_siblings, seed):
            fitted = adapter.adapt(features[learned], infant.truth[learned])
            scores = fitted.scores(features[judged])
            rows += [(place, int(c), s) for c, s in zip(judged, scores, strict=True)]
    labels = infants[0].unseen.shape[1] if infants else 0
    return Judged(
        np.array([row[0] for row in rows], int),
        np.array([row[1] for row in rows], int),
        np.array([row[2] for row in rows]).reshape(-1, labels),
    )


def permutation_p(
    infants: Sequence[InfantClips],
    head: str,
    design: Design,
    *,
    with_siblings: bool,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
    advance: Callable[[], None] = lambda: None,
) -> float | None:
    """Returns the p-value of a permutation test: how often shuffled labels do as well.

    The labels of each infant are shuffled among its own clips, and models are
    trained and scored again. So the test does not depend on how common a label is
    for an infant, nor on the run. Holding clips out of small sets lowers every
    score, also those with shuffled labels.

    Args:
        infants: The infants.
        head: Which personal head.
        design: Chooses training and test clips.
        with_siblings: True trains on near-copies of the test clip.
        permutations: Number of shuffles, positive.
        seed: Draws the shuffles.
        advance: Called after each infant.

    Returns:
        (1 + shuffles with at least this share right) / (1 + shuffles); None if no
        clip can be judged.
    """
    rng = np.random.default_rng(seed)
    total = np.zeros((1 + permutations, 2))
    for infant in infants:
        adapter, features = infant.adapters[head].compact(infant.features[head])
        known: dict[bytes, np.ndarray] = {}  # a small infant has few arrangements
        for turn in range(1 + permutations):
            truth = infant.truth if turn == 0 else rng.permutation(infant.truth)
            key = truth.tobytes()
            if key not in known:
                known[key] = _right(
                    infant, adapter, features, truth, design, with_siblings, seed
                )
            total[turn] += known[key]
        advance()
    if not total[0, 1]:
        return None
    shares = total[:, 0] / np.maximum(total[:, 1], 1)
    as_good = int((shares[1:] >= shares[0] - 1e-12).sum())
    return (1 + as_good) / (1 + permutations)


def _right(
    infant: InfantClips,
    adapter: Adapter,
    features: np.ndarray,
    truth: np.ndarray,
    design: Design,
    with_siblings: bool,
    seed: int,
) -> np.ndarray:
    """Returns (answers that are right, answers) for labels given to the clips."""
    found = np.zeros(2)
    for learned, judged in _splits(infant, design, with_siblings, seed, truth):
        fitted = adapter.adapt(features[learned], truth[learned])
        answers = fitted.scores(features[judged]).argmax(axis=1)
        found += (answers == truth[judged]).sum(), len(judged)
    return found


def _splits(
    infant: InfantClips,
    design: Design,
    with_siblings: bool,
    seed: int,
    truth: np.ndarray | None = None,
) -> list[tuple[np.ndarray, np.ndarray]]:
    apart = apart_from(infant.units, None if with_siblings else infant.are_siblings)
    # Not the place among the infants: another one left out changes no draw.
    own_seed = seed + zlib.crc32(infant.name.encode())
    return design.splits(infant.truth if truth is None else truth, apart, own_seed)
