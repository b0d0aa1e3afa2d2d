"""What a finished run writes: configuration, metrics, predictions and report."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from cry_lite import __version__
from cry_tf.data.clip import Problem
from cry_tf.data.content import content_digests
from cry_tf.data.dataset import Dataset
from cry_tf.evaluation.detection import OperatingPoint
from cry_tf.evaluation.figures import Metrics, Summary
from cry_tf.evaluation.predictions import Predictions
from cry_tf.evaluation.report import Report, render
from cry_tf.evaluation.threshold import ChosenThreshold
from cry_tf.evaluation.verdict import verdict
from cry_tf.heads import HEADS
from cry_tf.reports import pages
from cry_tf.runs.result_folder import write_json
from cry_tf.runs.run_folder import FORMAT
from cry_tf.training.preparation import Prepared
from cry_tf.training.recipe import recipe_sentence
from cry_tf.training.settings import Settings


def report_of(made: Made, config: dict[str, Any]) -> Report:
    """Returns what `report.html` shows of a finished training.

    Args:
        made: The training.
        config: What `config.json` says of it.
    """
    settings, metrics = made.settings, made.metrics
    is_detector = settings.task == "detect"
    warnings = [verdict(metrics)]
    if made.prepared.problems:
        warnings.append(
            f"{len(made.prepared.problems)} clips could not be used and were left out; "
            "config.json names them."
        )
    if metrics.clips == metrics.groups:
        warnings.append(made.prepared.dataset.grouping)
    return Report(
        title="Cry detector" if is_detector else "Cry classifier",
        lead=(
            f"Out-of-fold scores of {metrics.clips:,} clips in {metrics.groups:,} "
            f"groups. {split_sentence(made)}"
        ),
        predictions=made.predictions,
        metrics=metrics,
        warnings=tuple(sentence for sentence in warnings if sentence),
        operating_points=operating_points(made),
        baselines=made.baselines,
        facts=_facts(made, config),
        recordings={clip.name: clip.path for clip in made.prepared.dataset.clips},
    )


def operating_points(made: Made) -> tuple[tuple[str, OperatingPoint], ...]:
    """Returns what each threshold of a detector is, and what it does."""
    chosen, fixed = made.threshold, made.metrics.operating_point
    if chosen is None or fixed is None:
        return ()
    points = [
        (f"{fixed.threshold:.2f}: fixed beforehand", fixed),
        (
            f"{chosen.threshold:.2f}: the model’s threshold, set on these clips to "
            f"find {100 * chosen.min_recall:g} % of cries",
            chosen.same_scores,
        ),
    ]
    if chosen.cross_fitted is not None:
        points.append(("set the same way on the other folds", chosen.cross_fitted))
    return tuple(points)


def _facts(made: Made, config: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    settings, recipe, data = made.settings, made.settings.recipe, config["data"]
    sha256 = config["weights"]["sha256"]
    rows = [
        ("data", f"{data['origin'] or 'given as a Dataset'}, sha256 {data['sha256']}"),
        ("groups", data["grouping"]),
    ]
    if made.prepared.mapping is not None:
        rows += [("labels", text) for text in made.prepared.mapping.sentences()]
    rows += [
        ("bandwidth", made.prepared.bandwidth.reason),
        ("backbone", f"{settings.backbone}, pooling {settings.pooling}"),
        (
            "weights",
            f"{made.model.backbone.weights_source}"
            + (f", sha256 {sha256}" if sha256 else ""),
        ),
        ("head", f"{recipe.head}: {HEADS[recipe.head]}"),
        ("recipe", "; ".join((recipe_sentence(recipe), *made.notes))),
        ("seed", str(settings.seed)),
        ("versions", ", ".join(f"{k} {v}" for k, v in config["versions"].items())),
        ("made", config["created"]),
    ]
    return tuple(rows)


def split_sentence(made: Made) -> str:
    """Returns how clips were kept apart."""
    return (
        f"{made.settings.folds} folds by group, stratified by label, seed "
        f"{made.settings.seed}; every clip is scored by a model that was not "
        "trained on its group."
    )


_PACKAGES = ("tensorflow", "keras", "numpy", "scikit-learn", "soundfile", "soxr")
# Sixteen hexadecimal digits tell apart more files than any disk holds.
_DIGEST_LETTERS = 16


@dataclass(frozen=True)
class Made:
    """A finished training, before it is written down.

    Attributes:
        settings: What was asked for.
        prepared: The clips that were trained on, and what was left out.
        model: The final `CryModel`.
        predictions: Out of fold; a detector's are cut at 0.5.
        metrics: Measured on them.
        threshold: Of a detector.
        baselines: Names and figures of classical methods on the same folds.
        origin: Where the data came from.
        notes: What should be known of how it was trained.
    """

    settings: Settings
    prepared: Prepared
    model: Any
    predictions: Predictions
    metrics: Metrics
    threshold: ChosenThreshold | None
    baselines: tuple[tuple[str, Summary], ...]
    origin: str
    notes: tuple[str, ...] = ()


def write(folder: Path, made: Made, warn: Callable[[str], None]) -> None:
    """Writes `config.json`, `metrics.json`, `predictions.csv` and `report.html`.

    Args:
        folder: Of the run.
        made: The training.
        warn: Takes a line if the report cannot be written; the rest stays.
    """
    config = _config(made, folder)
    write_json(folder / "config.json", config)
    metrics = {"split": split_sentence(made), "verdict": verdict(made.metrics)}
    metrics |= made.metrics.to_dict()
    metrics["baselines"] = {
        name: dataclasses.asdict(summary) for name, summary in made.baselines
    }
    metrics["threshold"] = made.threshold.to_dict() if made.threshold else None
    write_json(folder / "metrics.json", metrics)
    made.predictions.write_csv(folder / "predictions.csv")
    pages.write(folder / "report.html", lambda: render(report_of(made, config)), warn)


def short_digests(dataset: Dataset) -> list[str]:
    """Returns the beginning of the SHA-256 of each clip's file, in order.

    They tell later whether a clip that a model is judged on was in its training.

    Raises:
        OSError: If a file cannot be read.
    """
    digests = content_digests(clip.path for clip in dataset.clips)
    return [digest[:_DIGEST_LETTERS] for digest in digests]


def data_facts(
    dataset: Dataset, origin: str, problems: Sequence[Problem], beside: Path
) -> dict[str, Any]:
    """Returns what `config.json` says of the clips that a model was trained on.

    Args:
        dataset: The clips.
        origin: Where they came from.
        problems: Clips that could not be used.
        beside: A folder in the same place as the run.

    Raises:
        OSError: If a file cannot be read.
    """
    return {
        "origin": origin,
        "folder": _clips_folder(dataset, beside),
        "sha256": dataset.sha256,
        "clips": len(dataset),
        "groups": len(set(dataset.groups)),
        "clips_of_label": dataset.label_counts,
        "groups_of_label": dataset.group_counts,
        "grouping": dataset.grouping,
        "notes": list(dataset.notes),
        "left_out": [
            {"file": problem.clip.name, "reason": problem.sentence}
            for problem in problems
        ],
        "clip_digests": short_digests(dataset),
    }


def _clips_folder(dataset: Dataset, beside: Path) -> str:
    """Returns the folder that the names of all clips start from, or "".

    Export finds the clips there again, whatever `origin` says in words. What lies
    in the run's own neighbourhood is told from the run, and moves with it.
    """
    found = set()
    for clip in dataset.clips:
        path, name = clip.path.parts, PurePosixPath(clip.name).parts
        if path[-len(name) :] != name:
            return ""
        found.add(Path(*path[: -len(name)]).absolute())
    if len(found) != 1:
        return ""
    folder, beside = found.pop(), beside.absolute()
    if folder.is_relative_to(beside.parent):
        return Path(os.path.relpath(folder, beside)).as_posix()
    return str(folder)


def versions() -> dict[str, str]:
    """Returns the versions of everything that can change a result."""
    found = {"cry-tf": __version__, "python": platform.python_version()}
    found |= {name: importlib.metadata.version(name) for name in _PACKAGES}
    return found | {"platform": platform.platform()}


def _config(made: Made, folder: Path) -> dict[str, Any]:
    settings, prepared = made.settings, made.prepared
    dataset, backbone = prepared.dataset, made.model.backbone
    mapping = prepared.mapping
    now = datetime.datetime.now(datetime.UTC)
    return {
        "format": FORMAT,
        "created": now.isoformat(timespec="seconds"),
        "settings": settings.to_dict(),
        "model": made.model.spec.to_dict(),
        "weights": {
            "source": backbone.weights_source,
            "sha256": backbone.weights_sha256,
        },
        "data": data_facts(dataset, made.origin, prepared.problems, folder),
        "label_mapping": {
            "positive": dict(mapping.positive),
            "negative": dict(mapping.negative),
            "reason": mapping.reason,
        }
        if mapping
        else None,
        "bandwidth": {
            "cutoff_hz": prepared.bandwidth.cutoff_hz,
            "reason": prepared.bandwidth.reason,
        },
        "training_notes": list(made.notes),
        "versions": versions(),
    }


def differences(
    earlier: Mapping[str, Any] | None, prepared: Prepared, model: Any
) -> list[str]:
    """Returns in what a run will differ from an earlier one with its settings.

    Args:
        earlier: The `config.json` of that run, None for none.
        prepared: The clips.
        model: The model, before it is trained.
    """
    if earlier is None:
        return []
    now = {
        "data.sha256": prepared.dataset.sha256,
        "weights.sha256": model.backbone.weights_sha256,
        **{f"versions.{name}": version for name, version in versions().items()},
    }
    found = []
    for name, value in now.items():
        part, key = name.split(".")
        was = earlier.get(part, {}).get(key)
        if was != value:
            found.append(
                f"the earlier run had {part} {key} {was}, this one has {value}: "
                "its figures will differ"
            )
    return found
