"""What classical methods make of the same folds, to see what a network gains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from cry_tf.data.dataset import Dataset
from cry_tf.heads.features import Standardization, softmax
from cry_tf.heads.gaussian_mixture import Mixtures, log_priors
from cry_tf.heads.support_vectors import SVMHead
from cry_tf.training import mfcc

# Mixtures of frames: enough for every label, and still seconds.
_COMPONENTS = 8
_MAX_FRAMES = 8_000
_FLOOR = 1e-2
_ROUNDS = 30


class MFCCSVM:
    """A support vector machine on mean and deviation of MFCC and their slopes.

    Args:
        cepstra: Float array `(frames, 20)` for each clip.
        truth: Int array `(clips,)`.
        groups: Array `(clips,)`, the source of each clip.
        labels: Number of labels.
        is_balanced: True lets every label count the same.
        seed: Draws inner folds.
    """

    def __init__(
        self,
        cepstra: Sequence[np.ndarray],
        truth: np.ndarray,
        groups: np.ndarray,
        labels: int,
        is_balanced: bool,
        seed: int,
    ):
        self._truth, self._groups = truth, groups
        self._labels, self._is_balanced, self._seed = labels, is_balanced, seed
        frames = [mfcc.with_deltas(clip) for clip in cepstra]
        self._features = np.stack(
            [np.concatenate([clip.mean(0), clip.std(0)]) for clip in frames]
        )

    def fit(self, train: np.ndarray) -> None:
        """Learns from the training clips alone."""
        self._head = SVMHead.fit(
            self._features[train],
            self._truth[train],
            self._groups[train],
            self._labels,
            self._is_balanced,
            self._seed,
        )

    def scores(self, test: np.ndarray) -> np.ndarray:
        """Returns scores `(clips, labels)`."""
        return self._head.scores(self._features[test])


class MFCCGMM:
    """A Gaussian mixture a label over frames of MFCC and their slopes.

    A clip has the mean log likelihood of its frames, plus the label's log prior.
    At most 8,000 frames of a label are fitted on, drawn from all its clips.
    The arguments are those of `MFCCSVM`.
    """

    def __init__(
        self,
        cepstra: Sequence[np.ndarray],
        truth: np.ndarray,
        groups: np.ndarray,
        labels: int,
        is_balanced: bool,
        seed: int,
    ):
        self._truth, self._labels = truth, labels
        self._is_balanced, self._seed = is_balanced, seed
        self._frames = [mfcc.with_deltas(clip) for clip in cepstra]

    def fit(self, train: np.ndarray) -> None:
        """Learns from the training clips alone."""
        rng = np.random.default_rng(self._seed)
        rows, truth = [], []
        for label in np.unique(self._truth[train]):
            clips = train[self._truth[train] == label]
            frames = np.concatenate([self._frames[clip] for clip in clips])
            if len(frames) > _MAX_FRAMES:
                frames = frames[rng.choice(len(frames), _MAX_FRAMES, replace=False)]
            rows.append(frames)
            truth.append(np.full(len(frames), label))
        features = np.concatenate(rows)
        self._standardize = Standardization.of(features)
        self._mixtures = Mixtures.fit(
            self._standardize(features),
            np.concatenate(truth),
            self._labels,
            _COMPONENTS,
            self._seed,
            floor=_FLOOR,
            rounds=_ROUNDS,
        )
        self._priors = log_priors(self._truth[train], self._labels, self._is_balanced)

    def scores(self, test: np.ndarray) -> np.ndarray:
        """Returns scores `(clips, labels)`."""
        means = [
            self._mixtures.log_likelihoods(self._standardize(self._frames[clip])).mean(
                axis=0
            )
            for clip in test
        ]
        return softmax(np.stack(means) + self._priors)


BASELINES = {"MFCC + GMM": MFCCGMM, "MFCC + SVM": MFCCSVM}


def score_baselines(
    dataset: Dataset,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    seed: int,
    *,
    is_balanced: bool,
    cutoff_hz: float | None,
    cache_dir: Path,
    tell: Callable[[], None] = lambda: None,
    only: str | None = None,
) -> dict[str, np.ndarray]:
    """Scores each clip by fits that never heard its group.

    Args:
        dataset: Clips that can be decoded.
        folds: The folds of the model: (train, test) places.
        seed: Draws frames, first components and inner folds.
        is_balanced: True lets every label count the same.
        cutoff_hz: Nothing above it is heard, as by the model; None for 8000.
        cache_dir: Where the cepstra are kept.
        tell: Called after each clip, then after each fold of each baseline.
        only: Name of the one baseline wanted, None for all.

    Returns:
        Float64 scores `(clips, labels)` by the name of the baseline.

    Raises:
        OSError: If a clip cannot be decoded.
    """
    cepstra = mfcc.compute(dataset, cache_dir, cutoff_hz, tell)
    groups, truth = dataset.groups, dataset.label_indices
    found = {}
    for name, method in BASELINES.items():
        if only not in (None, name):
            continue
        baseline = method(
            cepstra, truth, groups, len(dataset.labels), is_balanced, seed
        )
        scores = np.empty((len(dataset), len(dataset.labels)))
        for train, test in folds:
            baseline.fit(train)
            scores[test] = baseline.scores(test)
            tell()
        found[name] = scores
    return found
