"""Runs the chain: material, two trainings, two `.tflite` files, a night scored."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cry_lite.detector import Analyzer
from cry_lite.models import DEFAULT, resolve
from cry_tf.data import Dataset
from cry_tf.data.grouping import plural
from cry_tf.exporting import export
from cry_tf.runs.progress import Progress
from cry_tf.runs.run_folder import RunFolder
from cry_tf.studies.quickstart import material as materials
from cry_tf.studies.quickstart.backbone_choice import BackboneChoice
from cry_tf.studies.quickstart.material import STANDARD, Material, MaterialSizes
from cry_tf.studies.quickstart.night_score import (
    NIGHT,
    NightScore,
    analyze_night,
    score_night,
)
from cry_tf.training.train import train

if TYPE_CHECKING:
    from cry_export import Artefact

Task = Literal["detect", "reason"]


@dataclass(frozen=True)
class Built:
    """A model of the chain.

    Attributes:
        run: The training run, cross-validated.
        artefact: The `.tflite` and its comparison with the model.
    """

    run: RunFolder
    artefact: Artefact


@dataclass(frozen=True)
class QuickstartResult:
    """The result of a quickstart.

    Attributes:
        material: The recordings.
        choice: The backbone and why.
        built: The models by task.
        night: Events that the trained detector found in the night, None without one.
        included: Events that the included detector found there, None without a night.
        seconds: Time that each stage took, seconds.
    """

    material: Material
    choice: BackboneChoice
    built: dict[Task, Built]
    night: NightScore | None
    included: NightScore | None
    seconds: dict[str, float] = field(default_factory=dict)


def run_chain(
    folder: Path,
    *,
    data: str | os.PathLike[str] | Sequence[str] | None,
    weights: str | None,
    seed: int,
    progress: Progress,
    scale: MaterialSizes = STANDARD,
) -> QuickstartResult:
    """Trains, exports and evaluates, and writes everything into a folder.

    The night is analyzed with the detector that was trained, and with the included one.

    Args:
        folder: An existing empty folder.
        data: Labelled recordings, one path or several, or None to synthesise them.
        weights: `pretrained`, `none`, a path or None, see `BackboneChoice.choose`.
        seed: Seed of recordings, folds and weights.
        progress: Takes lines, warnings and progress.
        scale: Numbers of recordings, epochs and folds.

    Returns:
        What was done, with every figure.

    Raises:
        ValueError: If the data do not suffice, or a `.tflite` does not give
            the scores of its model.
        OSError: If something cannot be read or written.
    """
    seconds: dict[str, float] = {}
    choice = BackboneChoice.choose(weights)
    progress.line(f"network: {choice.sentence}")
    with _timed(seconds, "recordings"):
        if data is None:
            progress.line("recordings: synthetic cries and household sounds")
            found = materials.synthetic_material(
                folder / "recordings", seed, scale, progress
            )
        else:
            found = materials.real_material(data, seed, scale)
            progress.line(f"recordings: {found.origin}")
        for note in found.notes:
            progress.line(f"  {note}")
    sets: dict[Task, Dataset | None] = {
        "detect": found.detection,
        "reason": found.reasons,
    }
    built: dict[Task, Built] = {}
    for task, dataset in sets.items():
        if dataset is not None:
            built[task] = _build(
                folder, task, dataset, found, choice, seed, scale, progress, seconds
            )
    score = included = None
    if found.night is not None:
        with _timed(seconds, "night"):
            minutes = found.night.duration_s / 60
            progress.line(f"night: {minutes:.1f} minutes, {found.night_origin}")
            score = analyze_night(
                folder,
                found.night,
                detector=built["detect"].artefact.path,
                namer=built["reason"].artefact.path if "reason" in built else None,
                is_synthetic=found.is_synthetic,
                warn=progress.warn,
            )
            analysis = Analyzer(resolve(None)).analyze_file(folder / NIGHT)
            included = score_night(found.night, analysis.events)
    return QuickstartResult(found, choice, built, score, included, seconds)


def _build(
    folder: Path,
    task: Task,
    dataset: Dataset,
    found: Material,
    choice: BackboneChoice,
    seed: int,
    scale: MaterialSizes,
    progress: Progress,
    seconds: dict[str, float],
) -> Built:
    groups = len(set(dataset.groups))
    progress.line(f"{task}: {plural(len(dataset), 'clip')}, {plural(groups, 'group')}")
    folds = materials.possible_folds(dataset, task, choice.folds(scale))
    # The recordings stand beside the models: their embeddings need not be kept.
    with (
        _timed(seconds, f"train {task}"),
        tempfile.TemporaryDirectory() as embeddings_dir,
    ):
        run = train(
            dataset,
            choice.settings(task, seed, scale, folds),
            folder / task,
            progress=_Aside(progress),
            embeddings_dir=embeddings_dir,
            origin=found.origin,
        )
    with _timed(seconds, f"export {task}"):
        count = min(scale.parity_clips, len(dataset))
        evenly = np.linspace(0, len(dataset) - 1, count).astype(int)
        model: Any = run.load_model()
        if task == "detect":
            # A cry lasts: a single window on its own is no event.
            model.decision = model.decision.replace(smoothing_windows=3)
        artefact = export(
            model,
            folder / f"{task}.tflite",
            quantize="dynamic",
            check=dataset.subset(evenly),
            provenance={
                "made_by": "cry-tf quickstart",
                "data": found.origin,
                "data_sha256": run.config["data"]["sha256"],
                "weights_source": run.config["weights"]["source"],
            },
        )
    return Built(run, artefact)


@contextlib.contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    seconds[stage] = round(time.monotonic() - start, 1)


class _Aside:
    """Passes progress and warnings on; the rest is in the run's own report."""

    def __init__(self, progress: Progress):
        self._progress = progress

    def line(self, text: str = "") -> None:
        """Ignores it."""

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Ignores it."""

    def warn(self, text: str) -> None:
        """Passes it on."""
        self._progress.warn(text)

    def bar(self, title: str, total: int) -> AbstractContextManager[Callable[[], None]]:
        """Passes it on."""
        return self._progress.bar(title, total)


def summary(outcome: QuickstartResult, seed: int) -> dict[str, Any]:
    """Returns every figure as JSON types."""
    material = outcome.material
    return {
        "synthetic": material.is_synthetic,
        "data": material.origin,
        "notes": list(material.notes),
        "seed": seed,
        "backbone": outcome.choice.preset,
        "weights": outcome.choice.sentence,
        "models": {
            task: {
                "metrics": built.run.metrics,
                "file": built.artefact.path.name,
                "bytes": built.artefact.file_bytes,
                "sha256": built.artefact.sha256,
                "parity": built.artefact.parity.to_dict(),
            }
            for task, built in outcome.built.items()
        },
        "night": None
        if outcome.night is None
        else {"origin": material.night_origin, **outcome.night.to_dict()},
        "included_detector": None
        if outcome.included is None
        else {"name": DEFAULT, **outcome.included.to_dict()},
        "seconds": outcome.seconds,
    }
