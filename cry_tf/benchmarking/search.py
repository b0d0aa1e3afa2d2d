"""Exports runs in every way and keeps the best file that a device can take."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cry_export
from cry_export import artefact
from cry_lite import atomic
from cry_tf.benchmarking.candidate import METRIC_OF_TASK, Candidate
from cry_tf.benchmarking.comparing import FileComparison, compare
from cry_tf.benchmarking.limits import Limits, choose
from cry_tf.data.dataset import Dataset
from cry_tf.evaluation.figures import Estimate
from cry_tf.runs.progress import NoProgress, Progress
from cry_tf.runs.run_folder import RunFolder

Export = Callable[[RunFolder, Path, str], None]


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a search found.

    Attributes:
        comparison: Of every file that could be written.
        refused: Names of the others, with the reason.
        chosen: The best file within the limits, None if there is none.
    """

    comparison: FileComparison
    refused: dict[str, str]
    chosen: Candidate | None

    def to_dict(self, limits: Limits) -> dict[str, Any]:
        """Returns JSON types."""
        broken = {
            each.name: limits.broken_by(each) for each in self.comparison.candidates
        }
        return self.comparison.to_dict() | {
            "refused": self.refused,
            "limits": dataclasses.asdict(limits),
            "broken_limits": broken,
            "chosen": self.chosen.name if self.chosen else None,
        }


def search(
    runs: Sequence[RunFolder],
    output: Path,
    limits: Limits,
    *,
    export: Export,
    recipes: Sequence[str] = tuple(cry_export.RECIPES),
    dataset: Dataset | None = None,
    positive: tuple[str, ...] | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Found:
    """Exports every run by every recipe, and keeps the best file within the limits.

    Every file passes the comparison with its Keras model first. The best is the most
    accurate one; between equals the smaller, then the faster one.

    Args:
        runs: Finished runs of one task, such as students of several sizes.
        output: Where the best file goes, its `FILE.parity.json` beside it.
        limits: What the device allows.
        export: Writes a run to a path by a recipe; a ValueError of it refuses the
            recipe for that run.
        recipes: Names of the ways to store the weights.
        dataset: Labelled clips to score each file on, best such as no run was
            trained on. None takes the out-of-fold figure of each run.
        positive: For detectors, labels of `dataset` that mean a cry.
        overwrite: True replaces an earlier file.
        progress: Takes lines, warnings and progress; None ignores them.

    Returns:
        Every file's figures and the choice. Without a choice nothing is written.

    Raises:
        ValueError: If the runs have different tasks, or no file could be written.
        OSError: If something cannot be read or written.
    """
    progress = progress or NoProgress()
    artefact.check_target(output, overwrite)
    tasks = sorted({run.config["settings"]["task"] for run in runs})
    if len(tasks) != 1:
        raise ValueError(
            "Runs that are searched together must have one task. Received: "
            f"{' and '.join(tasks)}."
        )
    refused: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="cry-tf-search-") as folder:
        written: list[tuple[RunFolder, str, Path]] = []
        with progress.bar("exporting", len(runs) * len(recipes)) as advance:
            for place, run in enumerate(runs):
                for recipe in recipes:
                    name = f"{run.path.name} {recipe}"
                    path = Path(folder) / f"{place}-{recipe}.tflite"
                    try:
                        export(run, path, recipe)
                        written.append((run, name, path))
                    except ValueError as error:
                        refused[name] = str(error).replace(str(path), name)
                    advance()
        if not written:
            first = next(iter(refused.items()))
            raise ValueError(f"No file could be written. {first[0]}: {first[1]}")
        names = [name for _, name, _ in written]
        if len(set(names)) < len(names):  # runs of one name in several folders
            names = [f"{number} {name}" for number, name in enumerate(names, 1)]
        comparison = compare(
            [path for _, _, path in written],
            dataset=dataset,
            positive=positive,
            threads=sorted({1, limits.threads}),
            names=names,
            progress=progress,
        )
        if dataset is None:
            comparison = _with_run_figures(comparison, [run for run, _, _ in written])
        chosen = choose(comparison.candidates, limits)
        if chosen is not None:
            _place(chosen.path, output)
    return Found(comparison=comparison, refused=refused, chosen=chosen)


def _with_run_figures(
    comparison: FileComparison, runs: Sequence[RunFolder]
) -> FileComparison:
    candidates = []
    for candidate, run in zip(comparison.candidates, runs, strict=True):
        name = METRIC_OF_TASK[candidate.task]
        found = run.metrics["model"][name]
        accuracy = {name: Estimate(found["value"], found["low"], found["high"])}
        candidates.append(dataclasses.replace(candidate, accuracy=accuracy))
    return dataclasses.replace(
        comparison,
        candidates=tuple(candidates),
        accuracy_note="accuracy: the out-of-fold figure of each run, before the export",
    )


def _place(source: Path, output: Path) -> None:
    """Moves a file and its report to their place, the report first."""
    for part, target in (
        (artefact.parity_path(source), artefact.parity_path(output)),
        (source, output),
    ):
        with atomic.replacing(target) as beside:
            shutil.copyfile(part, beside)
