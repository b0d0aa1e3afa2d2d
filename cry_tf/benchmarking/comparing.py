"""Measures exported files side by side."""

from __future__ import annotations

import gzip
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from cry_lite import speed
from cry_lite.metadata import read_metadata
from cry_tf.benchmarking.candidate import (
    METRIC_NAMES,
    METRIC_OF_TASK,
    Candidate,
    front,
)
from cry_tf.data.dataset import Dataset
from cry_tf.evaluation.figures import Estimate
from cry_tf.evaluation.judgement import match_labels, score_clips, seen_in_training
from cry_tf.evaluation.metrics import measure
from cry_tf.evaluation.scorer import load_scorer
from cry_tf.runs.progress import NoProgress, Progress


@dataclass(frozen=True, kw_only=True)
class FileComparison:
    """Files side by side.

    Attributes:
        candidates: In the order in which they were given.
        machine: Processor, system and versions that the speeds belong to.
        clips: Number of clips behind the accuracies, 0 without.
        groups: Number of their groups.
        majority_label: The commonest label of the clips, `""` without.
        majority: The figures of always answering it.
        warnings: Sentences for the reader.
        accuracy_note: What the accuracies were measured on, `""` without any.
    """

    candidates: tuple[Candidate, ...]
    machine: str
    clips: int = 0
    groups: int = 0
    majority_label: str = ""
    majority: dict[str, Estimate] | None = None
    warnings: tuple[str, ...] = ()
    accuracy_note: str = ""

    @property
    def metrics(self) -> list[str]:
        """Names of the accuracies that every candidate has."""
        return [
            name
            for name in METRIC_NAMES
            if all(name in candidate.accuracy for candidate in self.candidates)
        ]

    @property
    def at_chance(self) -> list[Candidate]:
        """The candidates no better than always giving the commonest label."""
        if self.majority is None:
            return []
        return [
            each
            for each in self.candidates
            if each.quality is not None
            and (always := self.majority[METRIC_OF_TASK[each.task]].value) is not None
            and each.quality <= always
        ]

    @property
    def front(self) -> list[Candidate]:
        """The candidates that no other one beats, smallest file first.

        One that is at chance is not among them: the smallest and fastest file is no
        use if it knows nothing.
        """
        return [each for each in front(self.candidates) if each not in self.at_chance]

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON types."""
        on_front = {candidate.name for candidate in self.front}
        majority = {name: each.value for name, each in (self.majority or {}).items()}
        return {
            "format_version": 1,
            "machine": self.machine,
            "clips": self.clips,
            "groups": self.groups,
            "majority": {"label": self.majority_label, **majority}
            if self.clips
            else None,
            "warnings": list(self.warnings),
            "accuracy_note": self.accuracy_note,
            "files": [
                candidate.to_dict() | {"is_on_front": candidate.name in on_front}
                for candidate in self.candidates
            ],
        }


def compare(
    paths: Sequence[str | os.PathLike[str]],
    *,
    dataset: Dataset | None = None,
    positive: tuple[str, ...] | None = None,
    threads: Sequence[int] = (1, 2),
    seconds: float | None = None,
    names: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> FileComparison:
    """Measures files side by side: bytes, speed, memory, and accuracy on clips.

    Args:
        paths: Files that cry-tf exported.
        dataset: Labelled clips to score; None leaves the accuracy out.
        positive: For detectors, labels that mean a cry; see `judge`.
        threads: Numbers of threads.
        seconds: Length of audio of a run; see `cry_lite.speed.measure_speeds`.
        names: What tables call the files; None takes the shortest end of each path
            that differs from the others'.
        progress: Takes lines, warnings and progress; None ignores them.

    Raises:
        ModelFileError: If a file is missing, damaged or cannot be run here.
        ValueError: If the clips have other labels than the files, or a number is
            out of range.
    """
    progress = progress or NoProgress()
    paths = [Path(path).expanduser() for path in paths]
    names = names or short_names(paths)
    found = [read_metadata(path) for path in paths]
    tasks = {each.spec.task for each in found}
    if dataset is not None and len(tasks) > 1:
        raise ValueError(
            "Files that are compared on clips must have one task. Received: "
            "detectors and reason models. Compare them apart."
        )
    accuracies: list[dict[str, Estimate]] = [{} for _ in paths]
    facts: dict[str, Any] = {}
    if dataset is not None:
        accuracies, facts = _accuracies(paths, dataset, positive, progress)
    with progress.bar("running", speed.TURNS) as advance:
        speeds = speed.measure_speeds(paths, threads, seconds, advance=advance)
    candidates = tuple(
        Candidate(
            path=path,
            name=name,
            file_bytes=path.stat().st_size,
            gzip_bytes=len(gzip.compress(path.read_bytes(), mtime=0)),
            recipe=str(inside.provenance.get("recipe", "")),
            task=inside.spec.task,
            speeds=tuple(measured),
            accuracy=accuracy,
        )
        for path, name, inside, measured, accuracy in zip(
            paths, names, found, speeds, accuracies, strict=True
        )
    )
    return FileComparison(candidates=candidates, machine=machine(), **facts)


def _accuracies(
    paths: Sequence[Path],
    dataset: Dataset,
    positive: tuple[str, ...] | None,
    progress: Progress,
) -> tuple[list[dict[str, Estimate]], dict[str, Any]]:
    accuracies: list[dict[str, Estimate]] = []
    facts: dict[str, Any] = {}
    warnings: dict[str, None] = {}  # in order, each once
    for path in paths:
        scorer = load_scorer(path)
        labelled = match_labels(dataset, scorer.spec, positive, NoProgress())
        predictions, left_out = score_clips(scorer, labelled, progress)
        for problem in left_out:
            warnings[f"left out: {problem.sentence}"] = None
        overlap = seen_in_training(scorer, dataset)
        if overlap:
            # One sentence for all files with the same warning.
            _, _, rest = overlap.partition(path.name)
            warnings[f"A file{rest}" if rest and len(paths) > 1 else overlap] = None
        metrics = measure(predictions)
        accuracies.append(_figures(metrics.model))
        facts = {
            "clips": metrics.clips,
            "groups": metrics.groups,
            "majority_label": metrics.majority_label,
            "majority": _figures(metrics.majority),
            "accuracy_note": (
                f"accuracy on {metrics.clips:,} clips in {metrics.groups:,} groups, "
                "with 95 % intervals by group"
            ),
        }
    return accuracies, facts | {"warnings": tuple(warnings)}


def _figures(summary: Any) -> dict[str, Estimate]:
    return {"auc": summary.auc, "balanced_accuracy": summary.balanced_accuracy}


def short_names(paths: Sequence[Path]) -> list[str]:
    """Returns the shortest end of each path that differs from the others'."""
    whole = [path.absolute() for path in paths]
    for parts in range(1, max(len(path.parts) for path in whole) + 1):
        names = ["/".join(path.parts[-parts:]) for path in whole]
        if len(set(names)) == len(names):
            return names
    raise ValueError("Each file must be named once. Received one of them twice.")


def machine() -> str:
    """Returns the processor, the system and the versions."""
    cpu, info = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith(("model name", "Model")):
                cpu = line.split(":", 1)[1].strip()
    cores = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    return f"{cpu}, {cores}; LiteRT {metadata.version('ai-edge-litert')}"
