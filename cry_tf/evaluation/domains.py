"""A detector's figures by recorder or data set, and whether these give labels away."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cry_tf.data.grouping import plural
from cry_tf.evaluation import bootstrap
from cry_tf.evaluation.channel_score import ChannelScore
from cry_tf.evaluation.figures import Estimate
from cry_tf.evaluation.threshold import choose_threshold
from cry_tf.runs.predictions import Predictions

# Shares of the cries, and of the other sounds, that recorders of nothing else made.
# Music and traffic from anywhere are good for a detector, as long as the recorders of
# the cries recorded other sounds too.
_MOST_CRIES = 0.5
_MOST_OTHERS = 0.9
_NAMED = 3
# A difference of AUC that is worth a line.
_NOTABLE = 0.005
NOT_STATED = "not stated"


@dataclass(frozen=True)
class DomainFigures:
    """What a detector does with the clips of one recorder or data set.

    Attributes:
        domain: Its name.
        clips: Number of clips.
        groups: Number of groups that they come from.
        positives: Number of cries.
        negatives: Number of other sounds.
        threshold: Positive score from which a clip is called a cry.
        recall: Share of the cries that are called.
        false_positive_rate: Share of the other sounds that are called.
        auc: Area under the ROC curve, None where one of the two is missing.
    """

    domain: str
    clips: int
    groups: int
    positives: int
    negatives: int
    threshold: float
    recall: Estimate
    false_positive_rate: Estimate
    auc: Estimate


@dataclass(frozen=True)
class DomainReport:
    """The figures by recorder or data set.

    Attributes:
        domains: One entry a domain, the largest first.
        left_out: The same by models that were trained on no clip of the domain and of
            its groups, at thresholds chosen without it; empty where none was trained.
        within_auc: Area under the ROC curve over pairs of a cry and another sound of
            the same domain: no recorder can give it away.
        channel: What features of the channel alone reach, None if not measured.
        warning: That cries and other sounds were recorded apart, or None.
        notes: What else should be known, a sentence each.
    """

    domains: tuple[DomainFigures, ...]
    left_out: tuple[DomainFigures, ...]
    within_auc: Estimate
    channel: ChannelScore | None
    warning: str | None
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Returns the figures as JSON types only."""
        return dataclasses.asdict(self)


def measure_domains(
    predictions: Predictions,
    *,
    channel: ChannelScore | None = None,
    left_out: np.ndarray | None = None,
    seed: int = 0,
) -> DomainReport:
    """Measures a detector by recorder or data set.

    Args:
        predictions: Out-of-fold or test scores of a detector, at its threshold.
        channel: What features of the channel reach on the same clips.
        left_out: Float array `(clips,)`, the positive score of each clip by a model
            that was trained without its domain, NaN where there is none.
        seed: Seed of the bootstrap over groups.
    """
    names = predictions.domains or ("",) * len(predictions.files)
    domains = np.array([name or NOT_STATED for name in names])
    order = [str(name) for name in np.unique(domains)]
    order.sort(key=lambda name: (-int((domains == name).sum()), name))
    found, without = [], []
    for name in order:
        places = np.flatnonzero(domains == name)
        part = predictions.subset(places)
        found.append(_figures(name, part, seed))
        if left_out is not None and not np.isnan(left_out[places]).any():
            others = predictions.subset(np.flatnonzero(domains != name))
            threshold = choose_threshold(others.positive_scores, others.is_positive)
            scores = left_out[places]
            scores = np.stack([1 - scores, scores], axis=1)
            if predictions.positive_index == 0:
                scores = scores[:, ::-1]
            part = part.replace(scores=scores, threshold=threshold, events=None)
            without.append(_figures(name, part, seed))
    warning = recorded_apart(
        domains, predictions.groups, predictions.is_positive, channel
    )
    notes = _notes(
        found,
        channel,
        has_domains=predictions.domains is not None,
        is_told=warning is not None,
    )
    within = _within(predictions, domains, seed)
    return DomainReport(tuple(found), tuple(without), within, channel, warning, notes)


def _figures(domain: str, part: Predictions, seed: int) -> DomainFigures:
    positive = part.is_positive
    called = part.predicted == part.positive_index
    weights = bootstrap.group_weights(part.groups, seed=seed)
    groups = np.asarray(part.groups)
    auc = Estimate(None)
    if positive.any() and not positive.all():
        once = np.ones((1, len(positive)))
        value = bootstrap.roc_aucs(part.positive_scores, positive, once)
        draws = bootstrap.roc_aucs(part.positive_scores, positive, weights)
        auc = Estimate(float(value[0]), *bootstrap.interval(draws))
    return DomainFigures(
        domain=domain,
        clips=len(positive),
        groups=len(np.unique(groups)),
        positives=int(positive.sum()),
        negatives=int((~positive).sum()),
        threshold=part.threshold,
        recall=_share(called, positive, groups, weights),
        false_positive_rate=_share(called, ~positive, groups, weights),
        auc=auc,
    )


def _share(
    called: np.ndarray, among: np.ndarray, groups: np.ndarray, weights: np.ndarray
) -> Estimate:
    """Returns the share of clips that are called, with an interval over groups."""
    if not among.any():
        return Estimate(None)
    value = float(called[among].mean())
    if len(np.unique(groups[among])) < 2:  # one source says nothing of others
        return Estimate(value)
    total = weights[:, among].sum(axis=1)
    hits = (weights[:, among] * called[among]).sum(axis=1)
    draws = np.where(total > 0, hits / np.maximum(total, 1), np.nan)
    return Estimate(value, *bootstrap.interval(draws))


def _within(predictions: Predictions, domains: np.ndarray, seed: int) -> Estimate:
    """Returns the AUC over pairs of one domain, every pair counting the same."""
    positive, scores = predictions.is_positive, predictions.positive_scores
    drawn = bootstrap.group_weights(predictions.groups, seed=seed)
    weights = np.concatenate([np.ones((1, len(scores))), drawn])
    wins = pairs = np.zeros(len(weights))
    for name in np.unique(domains):
        here = domains == name
        if positive[here].all() or not positive[here].any():
            continue
        mine = weights[:, here]
        count = mine[:, positive[here]].sum(1) * mine[:, ~positive[here]].sum(1)
        aucs = bootstrap.roc_aucs(scores[here], positive[here], mine)
        wins, pairs = wins + np.where(count > 0, aucs, 0) * count, pairs + count
    if not pairs[0]:
        return Estimate(None)
    values = np.where(pairs > 0, wins / np.maximum(pairs, 1), np.nan)
    return Estimate(float(values[0]), *bootstrap.interval(values[1:]))


def recorded_apart(
    domains: np.ndarray,
    groups: Sequence[str],
    is_positive: np.ndarray,
    channel: ChannelScore | None = None,
) -> str | None:
    """Warns if most cries, or nearly all other sounds, have recorders of their own.

    Domains that share a group (a phone, an infant) count as one recorder.

    Args:
        domains: Array `(clips,)`, name of each clip's domain.
        groups: Group of each clip.
        is_positive: Bool array `(clips,)`, True for a cry.
        channel: Its score is told, or None.

    Returns:
        A sentence or more, or None if there is nothing to warn of.
    """
    recorders = _recorders(domains, groups)
    if len(np.unique(recorders)) < 2:
        return None
    sides = (
        (_MOST_CRIES, "cries", "no other sound was", is_positive),
        (_MOST_OTHERS, "sounds without crying", "no cry was", ~is_positive),
    )
    for most, what, others, here in sides:
        alone = here & ~np.isin(recorders, recorders[~here])
        count, total = int(alone.sum()), int(here.sum())
        if not total or count < most * total:
            continue
        share = f"{count:,} of {total:,} {what} ({100 * count / total:.0f} %)"
        sentence = (
            f"{f'All {what}' if count == total else share} were recorded by "
            f"{_some(domains[alone])}; {others}: the score may measure the recorder, "
            "not the cry."
        )
        if channel is not None:
            sentence += f" {_channel_sentence(channel)}"
        return sentence + " Record both with the same devices."
    return None


def _recorders(domains: np.ndarray, groups: Sequence[str]) -> np.ndarray:
    """Returns the number of each clip's recorder: domains joined by their groups."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    _, domain = np.unique(domains, return_inverse=True)
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    group = group + domain.max() + 1
    size = int(group.max()) + 1
    links = coo_array((np.ones(len(group)), (domain, group)), shape=(size, size))
    _, recorder = connected_components(links, directed=False)
    return recorder[domain]


def _some(domains: np.ndarray) -> str:
    names, counts = np.unique(domains, return_counts=True)
    ordered = [str(name) for name in names[np.argsort(-counts, kind="stable")]]
    more = len(ordered) - _NAMED
    return ", ".join(ordered[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _channel_sentence(channel: ChannelScore) -> str:
    recorded, limited = channel.recorded, channel.limited
    return (
        "Features of the channel alone (noise floor, bandwidth, level, codec traces) "
        f"tell the labels with AUC {_text(recorded)} on the files as they are and "
        f"{_text(limited)} below {channel.limit_hz:.0f} Hz, by group, "
        f"n = {channel.clips:,}."
    )


def _notes(
    found: Sequence[DomainFigures],
    channel: ChannelScore | None,
    *,
    has_domains: bool,
    is_told: bool,
) -> tuple[str, ...]:
    notes = []
    if not has_domains:
        notes.append(
            "No recorder or data set is stated, so figures are not given by domain: "
            "name it in a column 'dataset' of the manifest, with --domain COLUMN, or "
            "give each as a DATA of its own."
        )
    elif len(found) == 1:
        notes.append(
            f"All {plural(found[0].clips, 'clip')} are of one domain, "
            f"{found[0].domain}: there is no other to compare it with."
        )
    else:
        single = [entry for entry in found if not (entry.positives and entry.negatives)]
        if single:
            named = ", ".join(
                f"{entry.domain} ({'cries' if entry.positives else 'no cries'}, "
                f"{plural(entry.clips, 'clip')})"
                for entry in single[:_NAMED]
            )
            more = len(single) - _NAMED
            named += f" and {more} more" if more > 0 else ""
            notes.append(f"One label only, so no AUC of their own: {named}.")
    return (*notes, *channel_notes(channel, is_told))


def channel_notes(channel: ChannelScore | None, is_told: bool = False) -> list[str]:
    """Returns what the channel tells, and by how much each domain changes that.

    Args:
        channel: Its score, or None.
        is_told: Whether a warning has told the score.
    """
    notes = []
    if channel is not None:
        notes += [] if is_told else [_channel_sentence(channel)]
        for entry in channel.without:
            changed = [
                f"{now.value - before:+.3f} {where}"
                for now, before, where in (
                    (channel.recorded, entry.recorded, "as recorded"),
                    (channel.limited, entry.limited, "below the limit"),
                )
                if now.value is not None
                and before is not None
                and abs(now.value - before) >= _NOTABLE
            ]
            if changed:
                notes.append(
                    f"{entry.domain} changes the AUC of the channel by "
                    f"{', '.join(changed)} (without it {_number(entry.recorded)} and "
                    f"{_number(entry.limited)})."
                )
    return notes


def _text(estimate: Estimate) -> str:
    if estimate.low is None:
        return _number(estimate.value)
    low, high = _number(estimate.low), _number(estimate.high)
    return f"{_number(estimate.value)} ({low}-{high})"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
