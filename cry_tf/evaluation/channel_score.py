"""How well labels can be told by what the recorder left, without the sound itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cry_lite.spec import FrontEndSpec
from cry_tf.data import channel_features
from cry_tf.data.channel_features import ChannelFeatures
from cry_tf.data.dataset import Dataset
from cry_tf.evaluation import bootstrap
from cry_tf.evaluation.figures import Estimate
from cry_tf.heads import fitting
from cry_tf.runs.progress import Progress

FOLDS = 5
# More are not left out one by one: each takes fits of its own.
MOST_DOMAINS = 20
# A noise floor can be too low for one label and too high for another.
_BENDS_PERCENT = (20, 40, 60, 80)


@dataclass(frozen=True)
class ChannelWithout:
    """What the channel tells where one domain is left out.

    Attributes:
        domain: Which.
        recorded: AUC on the files as they are, None where a label is missing.
        limited: AUC on what lies below the limit.
    """

    domain: str
    recorded: float | None
    limited: float | None


@dataclass(frozen=True)
class ChannelScore:
    """How well a logistic regression on channel features tells the labels.

    Every clip is scored by a fit on other groups. Of more than two labels an AUC is
    the mean of each against the rest.

    Attributes:
        clips: Number of clips.
        folds: Number of folds, by group.
        limit_hz: The highest frequency that a model gets, Hz.
        recorded: AUC on the files as they are.
        limited: AUC on what lies below the limit.
        without: The same with each domain left out; empty for a single domain, and
            for more than 20.
    """

    clips: int
    folds: int
    limit_hz: float
    recorded: Estimate
    limited: Estimate
    without: tuple[ChannelWithout, ...] = ()


def limit_of(front_end: FrontEndSpec) -> float:
    """Returns the highest frequency that a model gets, Hz."""
    return min(front_end.cutoff_hz or front_end.max_hz, front_end.max_hz)


def channel_score(
    dataset: Dataset,
    limit_hz: float,
    cache_dir: Path,
    progress: Progress,
    seed: int = 0,
) -> ChannelScore | None:
    """Measures the channel of every clip, and how well it tells the labels.

    Args:
        dataset: Clips that can be decoded, under the labels to tell.
        limit_hz: The highest frequency that a model gets, Hz.
        cache_dir: Where features are kept.
        progress: Takes progress, and a line if the score is left out.
        seed: Draws the folds and the intervals.

    Returns:
        The score, or None if there is one label only, too few groups for folds, or a
        file that cannot be read.
    """
    if sum(count > 0 for count in dataset.label_counts.values()) < 2:
        return None
    try:
        with progress.bar("channel features", len(dataset)) as advance:
            features = channel_features.compute(dataset, cache_dir, limit_hz, advance)
        return score_channel(dataset, features, seed)
    except (ValueError, OSError) as error:
        progress.line(f"the score of the channel alone is left out: {error}")
        return None


def score_channel(
    dataset: Dataset, features: ChannelFeatures, seed: int = 0
) -> ChannelScore:
    """Cross-validates by group on channel features alone.

    Args:
        dataset: The clips, under the labels to tell.
        features: Of the same clips.
        seed: Draws the folds and the intervals.

    Raises:
        ValueError: If a label has fewer than two groups.
    """
    counts = dataset.group_counts
    folds = max(2, min(FOLDS, *counts.values()))
    recorded, limited = _aucs(dataset, features, folds, seed, bootstrap.DRAWS)
    domains = [str(name) for name in np.unique(dataset.domains)]
    without = []
    for domain in domains if 1 < len(domains) <= MOST_DOMAINS else ():
        others = np.flatnonzero(dataset.domains != domain)
        part = dataset.subset(others)
        fewest = min(part.group_counts.values())
        rest = [Estimate(None), Estimate(None)]
        if fewest >= 2:
            chosen = features.subset(others)
            rest = _aucs(part, chosen, min(folds, fewest), seed, draws=0)
        without.append(ChannelWithout(domain, *(each.value for each in rest)))
    return ChannelScore(
        len(dataset), folds, features.limit_hz, recorded, limited, tuple(without)
    )


def _aucs(
    dataset: Dataset, features: ChannelFeatures, folds: int, seed: int, draws: int
) -> list[Estimate]:
    """Returns the AUC of both sets of features, with intervals where draws are."""
    parts = dataset.fold_indices(folds, seed)
    truth, groups = dataset.label_indices, dataset.groups
    labels = len(dataset.labels)
    # The first row weighs every clip once: the figure itself.
    weights = np.ones((1, len(dataset)))
    if draws:
        drawn = bootstrap.group_weights(list(groups), draws, seed)
        weights = np.concatenate([weights, drawn])
    found = []
    for values in (features.recorded, features.limited):
        scores = np.empty((len(dataset), labels))
        for train, test in parts:
            bends = np.percentile(values[train], _BENDS_PERCENT, axis=0)
            head = fitting.fit(
                "logreg",
                _bent(values[train], bends),
                truth[train],
                groups[train],
                labels,
                seed=seed,
            )
            scores[test] = head.scores(_bent(values[test], bends))
        wanted = range(1, labels) if labels == 2 else range(labels)
        each = [bootstrap.roc_aucs(scores[:, i], truth == i, weights) for i in wanted]
        mean = np.mean(each, axis=0)
        interval = bootstrap.interval(mean[1:]) if draws else (None, None)
        found.append(Estimate(float(mean[0]), *interval))
    return found


def _bent(values: np.ndarray, bends: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """Appends each feature above each bend, so that a fit is linear in between."""
    above = [np.maximum(values - bend, 0) for bend in bends]
    return np.concatenate([values, *above], axis=1, dtype=np.float64)
