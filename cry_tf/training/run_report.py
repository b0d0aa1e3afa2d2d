"""What the report of a run shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cry_tf.evaluation.detection import OperatingPoint
from cry_tf.evaluation.report import Report
from cry_tf.evaluation.verdict import verdict
from cry_tf.heads import HEADS
from cry_tf.training.recipe_words import recipe_sentence

if TYPE_CHECKING:
    from cry_tf.training.record import Made


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
