"""Runs the chain: material, two trainings, two `.tflite` files, a night heard."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cry_lite.detector import Analysis, Analyzer
from cry_lite.events import to_audacity, to_csv, write_text
from cry_tf.data import Dataset
from cry_tf.exporting import export
from cry_tf.quickstart import material as materials
from cry_tf.quickstart.backbone_choice import BackboneChoice
from cry_tf.quickstart.material import Material
from cry_tf.quickstart.night_score import (
    NightScore,
    overlap_s,
    score_night,
    write_truth,
)
from cry_tf.quickstart.scale import STANDARD, Scale
from cry_tf.quickstart.timeline import write_timeline
from cry_tf.synthesis.night import Night
from cry_tf.synthesis.recordings import write_wav
from cry_tf.synthesis.voice import SAMPLE_RATE_HZ
from cry_tf.training.experiment import train
from cry_tf.training.listener import Listener
from cry_tf.training.run import RunFolder

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
class Outcome:
    """Everything that a quickstart did.

    Attributes:
        material: What it worked on.
        choice: The backbone and why.
        built: The models by task.
        night: How the night was heard, None without a detector.
        seconds: Time that each stage took, seconds.
    """

    material: Material
    choice: BackboneChoice
    built: dict[Task, Built]
    night: NightScore | None
    seconds: dict[str, float] = field(default_factory=dict)


def run_chain(
    folder: Path,
    *,
    data: str | os.PathLike[str] | None,
    weights: str | None,
    seed: int,
    listener: Listener,
    scale: Scale = STANDARD,
) -> Outcome:
    """Runs everything and writes it into a folder.

    Args:
        folder: An existing empty folder.
        data: Labelled recordings, or None to synthesise them.
        weights: See `BackboneChoice.choose`.
        seed: Draws everything.
        listener: Hears what is being done.
        scale: How much of everything.

    Returns:
        What was done, with every figure.

    Raises:
        ValueError: If the data do not suffice, or a `.tflite` does not answer
            like its model.
        OSError: If something cannot be read or written.
    """
    seconds: dict[str, float] = {}
    choice = BackboneChoice.choose(weights)
    listener.line(f"network: {choice.sentence}")
    with _timed(seconds, "recordings"):
        if data is None:
            listener.line("recordings: synthetic cries and household sounds")
            found = materials.synthetic_material(
                folder / "recordings", seed, scale, listener
            )
        else:
            listener.line(f"recordings: {data}")
            found = materials.real_material(data, seed, scale)
        for note in found.notes:
            listener.line(f"  {note}")
    sets: dict[Task, Dataset | None] = {
        "detect": found.detection,
        "reason": found.reasons,
    }
    built: dict[Task, Built] = {}
    for task, dataset in sets.items():
        if dataset is not None:
            built[task] = _build(
                folder, task, dataset, found, choice, seed, scale, listener, seconds
            )
    score = None
    if found.night is not None:
        with _timed(seconds, "night"):
            score = _hear(folder, found, found.night, built, listener)
    return Outcome(found, choice, built, score, seconds)


def _build(
    folder: Path,
    task: Task,
    dataset: Dataset,
    found: Material,
    choice: BackboneChoice,
    seed: int,
    scale: Scale,
    listener: Listener,
    seconds: dict[str, float],
) -> Built:
    listener.line(f"{task}: {dataset!r}")
    folds = choice.folds(scale)
    if task == "reason":  # a detector's labels are two, their groups enough
        folds = min(folds, *dataset.group_counts.values())
    with _timed(seconds, f"train {task}"):
        run = train(
            dataset,
            choice.settings(task, seed, scale, folds),
            folder / task,
            listener=_Aside(listener),
            embeddings_dir=folder / ".embeddings",
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


def _hear(
    folder: Path,
    found: Material,
    night: Night,
    built: dict[Task, Built],
    listener: Listener,
) -> NightScore:
    """Listens to the night with the detector's file, and names its cries."""
    listener.line(f"night: {night.duration_s / 60:.1f} minutes, {found.night_origin}")
    wav = folder / "night.wav"
    write_wav(wav, night.waveform)
    write_truth(folder / "night_truth.csv", night)
    analyzer = Analyzer(built["detect"].artefact.path)
    analysis = analyzer.analyze_file(wav)
    reasons = []
    if "reason" in built:
        reasons = _name_reasons(
            night, analysis, Analyzer(built["reason"].artefact.path)
        )
    score = score_night(night, analysis.events, reasons)
    write_text(folder / "night_found.csv", to_csv(analysis.events))
    write_text(folder / "night_found.txt", to_audacity(analysis.events))
    write_timeline(
        folder / "night.png", night, analysis, analyzer.spec, found.is_synthetic
    )
    return score


def _name_reasons(
    night: Night, analysis: Analysis, namer: Analyzer
) -> list[tuple[str, str]]:
    """Answers the reason of each found cry from the sound under its event."""
    named = []
    for cry in night.cries:
        over = [event for event in analysis.events if overlap_s(cry, event) > 0]
        if not over or cry.reason not in namer.spec.labels:
            continue
        best = max(over, key=lambda event: overlap_s(cry, event))
        start, end = (
            round(moment * SAMPLE_RATE_HZ) for moment in (best.start_s, best.end_s)
        )
        _, _, scores = namer.scores(night.waveform[start:end])
        answer = namer.spec.labels[int(scores.mean(axis=0).argmax())]
        named.append((cry.reason, answer))
    return named


@contextlib.contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    seconds[stage] = round(time.monotonic() - start, 1)


class _Aside:
    """Passes progress and warnings on; the rest is in the run's own report."""

    def __init__(self, listener: Listener):
        self._listener = listener

    def line(self, text: str = "") -> None:
        """Ignores it."""

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Ignores it."""

    def warn(self, text: str) -> None:
        """Passes it on."""
        self._listener.warn(text)

    def progress(
        self, title: str, total: int
    ) -> AbstractContextManager[Callable[[], None]]:
        """Passes it on."""
        return self._listener.progress(title, total)


def summary(outcome: Outcome, seed: int) -> dict[str, Any]:
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
        "seconds": outcome.seconds,
    }
