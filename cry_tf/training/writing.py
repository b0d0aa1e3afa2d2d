"""The last step of every run: writes model, configuration, figures and report."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path
from typing import Any

import keras

from cry_export.precision import in_float32
from cry_tf.evaluation.report import Report, render
from cry_tf.heads import HEADS, storing
from cry_tf.heads.gaussian_mixture import GaussianMixtureHead
from cry_tf.heads.support_vectors import SVMHead
from cry_tf.reports import pages
from cry_tf.runs.provenance import data_facts, versions
from cry_tf.runs.result_folder import write_json
from cry_tf.runs.run_folder import FEATURES_FILE, FORMAT, MODEL_FILE
from cry_tf.training.context import RunContext
from cry_tf.training.cross_validation import write_history
from cry_tf.training.judge import Verdict
from cry_tf.training.plan import Plan
from cry_tf.training.recipe import recipe_sentence
from cry_tf.training.settings import Settings
from cry_tf.training.trainer import Trainer


def report_of(plan: Plan, verdict: Verdict, config: dict[str, Any]) -> Report:
    """Returns what `report.html` shows of a finished training.

    Args:
        plan: Settings and the trained model.
        verdict: Figures and threshold.
        config: Content of `config.json`.
    """
    settings, metrics, prepared = plan.settings, verdict.metrics, plan.prepared
    is_detector = settings.task == "detect"
    warnings = [metrics.verdict]
    if prepared.problems:
        warnings.append(
            f"{len(prepared.problems)} clips could not be used and were left out; "
            "config.json names them."
        )
    if verdict.domains is not None:
        warnings.append(verdict.domains.warning)
    if metrics.clips == metrics.groups:
        warnings.append(prepared.dataset.grouping)
    return Report(
        title="Cry detector" if is_detector else "Cry classifier",
        lead=(
            f"Out-of-fold scores of {metrics.clips:,} clips in {metrics.groups:,} "
            f"groups. {split_sentence(settings)}"
        ),
        predictions=verdict.predictions,
        metrics=metrics,
        warnings=tuple(sentence for sentence in warnings if sentence),
        operating_points=verdict.operating_points,
        baselines=verdict.baselines,
        domains=verdict.domains,
        facts=_facts(plan, config),
        recordings={clip.name: clip.path for clip in prepared.dataset.clips},
    )


def _facts(plan: Plan, config: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    settings, prepared, data = plan.settings, plan.prepared, config["data"]
    recipe = settings.recipe
    sha256 = config["weights"]["sha256"]
    rows = [
        ("data", f"{data['origin'] or 'given as a Dataset'}, sha256 {data['sha256']}"),
        ("groups", data["grouping"]),
    ]
    if prepared.mapping is not None:
        rows += [("labels", text) for text in prepared.mapping.sentences()]
    rows += [
        ("bandwidth", prepared.bandwidth.reason),
        ("backbone", f"{settings.backbone}, pooling {settings.pooling}"),
        (
            "weights",
            f"{plan.model.backbone.weights_source}"
            + (f", sha256 {sha256}" if sha256 else ""),
        ),
        ("head", f"{recipe.head}: {HEADS[recipe.head]}"),
        ("recipe", "; ".join((recipe_sentence(recipe), *plan.notes))),
        ("seed", str(settings.seed)),
        ("versions", ", ".join(f"{k} {v}" for k, v in config["versions"].items())),
        ("made", config["created"]),
    ]
    return tuple(rows)


def split_sentence(settings: Settings) -> str:
    """Returns a sentence on how training and test clips were separated."""
    return (
        f"{settings.folds} folds by group, stratified by label, seed "
        f"{settings.seed}; every clip is scored by a model that was not "
        "trained on its group."
    )


def write(part: Path, plan: Plan, verdict: Verdict, context: RunContext) -> None:
    """Writes the run folder: the model first, the report for people last.

    Args:
        part: Folder to write into, see `cry_tf.runs.result_folder.writing`.
        plan: Settings and the trained model.
        verdict: Figures and threshold.
        context: Takes a warning if the report cannot be written.
    """
    _save_model(part, _uncompiled(plan.model), plan.trainer)
    write_history(part / "history.csv", verdict.out_of_fold.history)
    config = _config(plan, context, part)
    write_json(part / "config.json", config)
    metrics = verdict.metrics
    values = {"split": split_sentence(plan.settings)}
    values |= {"verdict": metrics.verdict, **metrics.to_dict()}
    values["baselines"] = {
        name: dataclasses.asdict(summary) for name, summary in verdict.baselines
    }
    values["threshold"] = verdict.threshold.to_dict() if verdict.threshold else None
    values["domains"] = verdict.domains.to_dict() if verdict.domains else None
    write_json(part / "metrics.json", values)
    verdict.predictions.write_csv(part / "predictions.csv")
    pages.write(
        part / "report.html",
        lambda: render(report_of(plan, verdict, config)),
        context.progress.warn,
    )


def _config(plan: Plan, context: RunContext, folder: Path) -> dict[str, Any]:
    settings, prepared = plan.settings, plan.prepared
    dataset, backbone = prepared.recordings, plan.model.backbone
    mapping = prepared.mapping
    now = datetime.datetime.now(datetime.UTC)
    return {
        "format": FORMAT,
        "created": now.isoformat(timespec="seconds"),
        "settings": settings.to_dict(),
        "model": plan.model.spec.to_dict(),
        "weights": {
            "source": backbone.weights_source,
            "sha256": backbone.weights_sha256,
        },
        "data": data_facts(dataset, context.origin, prepared.problems, folder),
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
        "training_notes": list(plan.notes),
        "versions": versions(),
    }


def _save_model(folder: Path, model: Any, trainer: Trainer) -> None:
    """Writes the model; for an SVM or GMM head, its features and the head's arrays."""
    head = getattr(trainer, "head", None)
    if not isinstance(head, SVMHead | GaussianMixtureHead):
        model.save(folder / MODEL_FILE)
        return
    features = keras.Model(model.input, model.pooling.output, name="features")
    features.save(folder / FEATURES_FILE)
    storing.save(folder, head)


def _uncompiled(model: Any) -> Any:
    """Returns a copy to save, float32 and without optimizer (a third of the size)."""
    copy = type(model).from_config(model.get_config())
    copy.set_weights(model.get_weights())
    return in_float32(copy)
