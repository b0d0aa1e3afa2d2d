"""Looks a labelled set of recordings over before anything is trained on it.

Formats, durations, copies, groups, and whether the recorder gives the label away: each
is a reason why a figure can be good and the model not.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cry_tf.data import EmbeddingCache, decoding, detection_labels, sound_source
from cry_tf.data.bandwidth import USABLE_SHARE, shared_bandwidth
from cry_tf.data.clip import Clip, Problem
from cry_tf.data.content_digest import same_content
from cry_tf.data.dataset import Dataset
from cry_tf.data.grouping import plural
from cry_tf.evaluation.channel_score import ChannelScore, channel_score
from cry_tf.evaluation.domains import NOT_STATED, channel_notes, recorded_apart
from cry_tf.reports import pages
from cry_tf.reports.tables import Table
from cry_tf.runs import result_folder
from cry_tf.runs.progress import NoProgress, Progress

_NAMED = 3
# What tools append or prepend to the name of a recording that they cut or change.
_MADE_OF = re.compile(
    r"^generated\d*[_-]|[_-](?:part|slice|chunk|seg|segment)[_-]?\d+\b"
    r"|[ _-]?\(\d+\)$|[_-]aug(?:mented)?(?:[_-][^_-]+)?$|[_-]copy\d*$",
    re.I,
)


@dataclass(frozen=True)
class ClipFacts:
    """What is known of one clip.

    Attributes:
        clip: The clip.
        container: Ending of its name, such as `flac`.
        coding: Sample format or codec, such as `PCM_16`.
        sample_rate_hz: Rate of the file, Hz.
        channels: Number of channels.
        duration_s: Length, seconds.
        samples_sha256: Digest of the decoded samples at 16 bits, without zeros at
            both ends; the same in every lossless format.
    """

    clip: Clip
    container: str
    coding: str
    sample_rate_hz: int
    channels: int
    duration_s: float
    samples_sha256: str


@dataclass(frozen=True)
class Part:
    """The clips of one label, or of one domain.

    Attributes:
        name: Of the label or domain.
        clips: Number of clips.
        groups: Number of groups.
        hours: Sound in all, hours.
        shortest_s: Length of the shortest clip, seconds.
        median_s: Of half the clips, seconds.
        longest_s: Of the longest clip, seconds.
        formats: Clips of each container, coding and number of channels.
        sample_rates_hz: Clips of each sample rate.
        labels: Clips of each label.
    """

    name: str
    clips: int
    groups: int
    hours: float
    shortest_s: float
    median_s: float
    longest_s: float
    formats: dict[str, int]
    sample_rates_hz: dict[str, int]
    labels: dict[str, int]


@dataclass(frozen=True)
class Audit:
    """What was found.

    Attributes:
        dataset: The clips that can be used.
        facts: One entry a clip.
        problems: What is wrong with single clips.
        labels: One entry a label of the data.
        domains: One entry a recorder or data set, empty where none is stated.
        same_files: Clips that are the same file, byte for byte.
        same_sound: Further clips with the same samples in another file.
        same_names: Clips whose names say that they were cut or made from one
            recording, though they are of different groups.
        mixed_groups: Groups with clips of more than one label.
        folds: The most folds by group, the fewest groups of a label.
        bandwidth: Which sample rates there are, a sentence.
        channel: How well the channel alone tells the labels, or None.
        warnings: What to look at before training, a sentence each.
        notes: What else is known, a sentence each.
    """

    dataset: Dataset
    facts: tuple[ClipFacts, ...]
    problems: tuple[Problem, ...]
    labels: tuple[Part, ...]
    domains: tuple[Part, ...]
    same_files: tuple[tuple[str, ...], ...]
    same_sound: tuple[tuple[str, ...], ...]
    same_names: tuple[tuple[str, ...], ...]
    mixed_groups: tuple[str, ...]
    folds: int
    bandwidth: str
    channel: ChannelScore | None
    warnings: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def unusable(self) -> tuple[Problem, ...]:
        """Clips that cannot be used."""
        return tuple(each for each in self.problems if not each.is_usable)

    def to_dict(self) -> dict[str, Any]:
        """Returns the findings as JSON types only."""
        return {
            "clips": len(self.facts),
            "groups": len(set(self.dataset.groups)),
            "hours": sum(each.duration_s for each in self.facts) / 3600,
            "grouping": self.dataset.grouping,
            "labels": [dataclasses.asdict(part) for part in self.labels],
            "domains": [dataclasses.asdict(part) for part in self.domains],
            "problems": [
                {
                    "file": problem.clip.name,
                    "reason": problem.sentence,
                    "is_usable": problem.is_usable,
                }
                for problem in self.problems
            ],
            "same_files": self.same_files,
            "same_sound": self.same_sound,
            "same_names": self.same_names,
            "mixed_groups": self.mixed_groups,
            "folds": self.folds,
            "bandwidth": self.bandwidth,
            "channel": None
            if self.channel is None
            else dataclasses.asdict(self.channel),
            "warnings": self.warnings,
            "notes": self.notes,
        }


def audit(
    dataset: Dataset,
    positive: Sequence[str] | None = None,
    progress: Progress | None = None,
    cache_dir: Path | None = None,
) -> Audit:
    """Decodes every clip once and looks for what makes figures too good.

    Where some labels mean a cry and others do not, the channel is asked for cry
    against no cry, as a detector would be; else for the labels as they are.

    Args:
        dataset: Labelled clips.
        positive: Labels that mean a cry; None takes the well-known names.
        progress: Takes progress; None ignores it.
        cache_dir: Where features are kept; None takes the user's cache.

    Raises:
        ValueError: If no clip can be used, or a label of `positive` does not occur.
    """
    progress = progress or NoProgress()
    facts, problems = _examine(dataset, progress)
    usable = dataset.without(each.clip for each in problems if not each.is_usable)
    if not len(usable):
        raise ValueError(
            f"At least one clip must be usable. Received: {len(dataset)} clips, all "
            f"with a problem. The first: {problems[0].sentence}"
        )
    clips = usable.clips
    labels = _parts(facts, lambda clip: clip.label)
    has_domains = any(clip.domain for clip in clips)
    domains = _parts(facts, lambda clip: clip.domain or NOT_STATED)
    same_files = _named(clips, same_content([clip.path for clip in clips]))
    same_sound = _same_sound(facts, same_files)
    same_names = _same_names(clips)
    mixed = _mixed_groups(clips)
    bandwidth = shared_bandwidth(usable)
    told, mapping = _to_tell(usable, positive)
    lowest_hz = min(each.sample_rate_hz for each in facts)
    limit_hz = bandwidth.cutoff_hz or USABLE_SHARE * lowest_hz
    cache_dir = cache_dir or EmbeddingCache().dir
    channel = channel_score(told, limit_hz, cache_dir, progress)
    apart = None
    if mapping:
        is_cry = np.array([c.label == detection_labels.POSITIVE for c in told.clips])
        apart = recorded_apart(told.domains, list(told.groups), is_cry, channel)
    warnings = [apart, *_leaks(usable, same_sound, same_names)]
    alone = sum(clip.group == f"file:{clip.name}" for clip in clips)
    if alone == len(clips):
        warnings.append(usable.grouping)
    return Audit(
        dataset=usable,
        facts=facts,
        problems=problems,
        labels=labels,
        domains=domains if has_domains else (),
        same_files=same_files,
        same_sound=same_sound,
        same_names=same_names,
        mixed_groups=mixed,
        folds=min(usable.group_counts[part.name] for part in labels),
        bandwidth=bandwidth.reason,
        channel=channel,
        warnings=tuple(sentence for sentence in warnings if sentence),
        notes=tuple(_notes(usable, same_files, mixed, channel, is_told=bool(apart))),
    )


def _examine(
    dataset: Dataset, progress: Progress
) -> tuple[tuple[ClipFacts, ...], tuple[Problem, ...]]:
    """Decodes every clip; the facts are of those that can be used."""
    facts, problems = [], []
    with progress.bar("decoding", len(dataset)) as advance:
        for clip, found in decoding.ahead(_examine_clip, dataset.clips):
            if isinstance(found, OSError):
                problems.append(Problem(clip, str(found)))
            else:
                known, problem = found
                problems += [] if problem is None else [problem]
                facts += [known] if problem is None or problem.is_usable else []
            advance()
    return tuple(facts), tuple(problems)


def _examine_clip(clip: Clip) -> tuple[ClipFacts, Problem | None]:
    info = sound_source.info(clip.path)
    waveform, rate_hz, notes = sound_source.read_native(clip.path)
    samples = np.clip(np.round(waveform * 32_768), -32_768, 32_767).astype("<i2")
    sounding = np.flatnonzero(samples)
    if len(sounding):
        samples = samples[sounding[0] : sounding[-1] + 1]
    facts = ClipFacts(
        clip=clip,
        container=clip.path.suffix.lower().removeprefix("."),
        coding=info.subtype,
        sample_rate_hz=rate_hz,
        channels=info.channels,
        duration_s=len(waveform) / rate_hz,
        samples_sha256=hashlib.sha256(samples.tobytes()).hexdigest(),
    )
    return facts, decoding.problem_of(clip, waveform, rate_hz, notes)


def _parts(
    facts: Sequence[ClipFacts], name_of: Callable[[Clip], str]
) -> tuple[Part, ...]:
    """Describes the clips of each name, the most clips first."""
    of: dict[str, list[ClipFacts]] = defaultdict(list)
    for each in facts:
        of[name_of(each.clip)].append(each)
    parts = []
    for name, some in of.items():
        durations_s = [each.duration_s for each in some]
        coded = (f"{each.container} {each.coding} x{each.channels}" for each in some)
        parts.append(
            Part(
                name=name,
                clips=len(some),
                groups=len({each.clip.group for each in some}),
                hours=sum(durations_s) / 3600,
                shortest_s=min(durations_s),
                median_s=float(np.median(durations_s)),
                longest_s=max(durations_s),
                formats=_counts(coded),
                sample_rates_hz=_counts(str(each.sample_rate_hz) for each in some),
                labels=_counts(each.clip.label for each in some),
            )
        )
    return tuple(sorted(parts, key=lambda part: (-part.clips, part.name)))


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())


def _named(
    clips: Sequence[Clip], places: Iterable[Sequence[int]]
) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(clips[place].name for place in some) for some in places)


def _same_sound(
    facts: Sequence[ClipFacts], same_files: Sequence[Sequence[str]]
) -> tuple[tuple[str, ...], ...]:
    of = defaultdict(list)
    for each in facts:
        of[each.samples_sha256].append(each.clip.name)
    known = {frozenset(names) for names in same_files}
    return tuple(
        tuple(names)
        for names in of.values()
        if len(names) > 1 and frozenset(names) not in known
    )


def _same_names(clips: Sequence[Clip]) -> tuple[tuple[str, ...], ...]:
    """Returns versions and slices of one recording, by name, of different groups."""
    of: dict[str, list[tuple[Clip, bool]]] = defaultdict(list)
    for clip in clips:
        stem, made = clip.path.stem, False
        while (base := _MADE_OF.sub("", stem)) != stem and base:
            stem, made = base, True
        of[stem.lower()].append((clip, made))
    return tuple(
        tuple(clip.name for clip, _ in some)
        for some in of.values()
        if any(made for _, made in some) and len({clip.group for clip, _ in some}) > 1
    )


def _mixed_groups(clips: Sequence[Clip]) -> tuple[str, ...]:
    labels = defaultdict(set)
    for clip in clips:
        labels[clip.group].add(clip.label)
    return tuple(sorted(group for group, found in labels.items() if len(found) > 1))


def _to_tell(
    dataset: Dataset, positive: Sequence[str] | None
) -> tuple[Dataset, detection_labels.LabelMapping | None]:
    """Returns the clips as cry and no cry where there are both, else as they are."""
    known, _ = detection_labels.without_unsure(dataset, positive)
    mapping = detection_labels.map_labels(
        [clip.label for clip in known.clips], positive, is_training=False
    )
    if not mapping.positive or not mapping.negative:
        return known, None
    return known.map_labels(mapping, detection_labels.LABELS), mapping


def _leaks(
    dataset: Dataset,
    same_sound: Sequence[Sequence[str]],
    same_names: Sequence[Sequence[str]],
) -> list[str]:
    """Returns a sentence for what may stand on both sides of a split."""
    group_of = {clip.name: clip.group for clip in dataset.clips}
    apart = [s for s in same_sound if len({group_of[name] for name in s}) > 1]
    found = []
    if apart:
        found.append(
            f"The same samples in several files of different groups: "
            f"{plural(len(apart), 'recording')} ({_some(apart[0])}). One of them may "
            "be in training and the other in a test: give them one group, or leave "
            "the copies out."
        )
    if same_names:
        clips = sum(map(len, same_names))
        found.append(
            f"By their names {plural(clips, 'clip')} are versions or slices of "
            f"{plural(len(same_names), 'recording')}, and of different groups "
            f"({_some(same_names[0])}). Give those of one recording one group."
        )
    return found


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _notes(
    dataset: Dataset,
    same_files: Sequence[Sequence[str]],
    mixed: Sequence[str],
    channel: ChannelScore | None,
    is_told: bool,
) -> list[str]:
    groups = len(set(dataset.groups))
    found = [
        f"{len(mixed):,} of {plural(groups, 'group')} have clips of more than one "
        "label."
    ]
    if same_files:
        found.append(
            "Copies byte for byte, kept in one group: "
            f"{plural(len(same_files), 'file')} ({_some(same_files[0])})."
        )
    return found + channel_notes(channel, is_told)


def tables(found: Audit) -> list[tuple[str, Table]]:
    """Returns the findings as tables: what each is of, and the table."""
    shown = []
    for title, parts in (("label", found.labels), ("domain", found.domains)):
        if not parts:
            continue
        header = [title, "clips", "groups", "hours", "shortest s", "median s"]
        header += ["longest s", "sample rates", "formats"]
        header += ["labels"] if title == "domain" else []
        rows = [
            [
                part.name,
                f"{part.clips:,}",
                f"{part.groups:,}",
                f"{part.hours:.2f}",
                f"{part.shortest_s:.1f}",
                f"{part.median_s:.1f}",
                f"{part.longest_s:.1f}",
                _some([f"{rate} Hz" for rate in part.sample_rates_hz]),
                _some(list(part.formats)),
                *([_some(list(part.labels))] if title == "domain" else []),
            ]
            for part in parts
        ]
        shown.append((f"{title}s".capitalize(), Table(header, rows)))
    return shown


def write(
    found: Audit,
    path: str | os.PathLike[str],
    overwrite: bool = False,
    origin: str = "",
    warn: Callable[[str], None] = lambda text: None,
) -> None:
    """Writes `metrics.json`, `clips.csv` (one row a clip) and `report.html`.

    Args:
        found: From `audit`.
        path: The folder to write; it appears when everything is done.
        overwrite: True replaces an earlier result.
        origin: Where the data came from, for the record.
        warn: Takes a line if the report cannot be written.

    Raises:
        OSError: If the folder cannot be written.
    """
    with result_folder.writing(path, overwrite) as part:
        values = {"data": origin, **found.to_dict()}
        result_folder.write_json(part / result_folder.MARK, values)
        _write_clips(part / "clips.csv", found)
        pages.write(part / "report.html", lambda: _render(found, origin), warn)


def _write_clips(path: Path, found: Audit) -> None:
    columns = [field.name for field in dataclasses.fields(ClipFacts)][1:]
    with open(
        path, "w", newline="", encoding="utf-8", errors="backslashreplace"
    ) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["file", "label", "group", "domain", *columns])
        for each in found.facts:
            clip = each.clip
            row = [clip.name, clip.label, clip.group, clip.domain]
            writer.writerow([*row, *(getattr(each, name) for name in columns)])


def _render(found: Audit, origin: str) -> str:
    hours = sum(each.duration_s for each in found.facts) / 3600
    groups = len(set(found.dataset.groups))
    return pages.render(
        "audit.html",
        title="Audit of recordings",
        lead=f"{len(found.facts):,} clips in {groups:,} groups, {hours:.2f} hours.",
        warnings=found.warnings,
        tables=tables(found),
        notes=(found.dataset.grouping, found.bandwidth, *found.notes),
        problems=[problem.sentence for problem in found.problems],
        facts=(("data", origin),),
    )
