"""Evaluates the out-of-fold scores: the fourth step of every run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cry_tf.evaluation.channel_score import channel_score, limit_of
from cry_tf.evaluation.detection import OperatingPoint
from cry_tf.evaluation.domains import DomainReport, measure_domains
from cry_tf.evaluation.figures import Metrics, Summary
from cry_tf.evaluation.metrics import measure
from cry_tf.evaluation.threshold import MIN_RECALL, ChosenThreshold
from cry_tf.runs.predictions import Predictions
from cry_tf.training.baselines import measure_baselines
from cry_tf.training.context import RunContext
from cry_tf.training.cross_validation import OutOfFold, predictions_of
from cry_tf.training.plan import Plan

# An event ends at a lower threshold than it starts at, so that it is not broken up.
_OFFSET_SHARE = 0.8


@dataclass(frozen=True)
class Verdict:
    """The figures of a model after cross-validation.

    Attributes:
        predictions: Out of fold; a detector's are cut at 0.5.
        metrics: Measured on them.
        threshold: Threshold of a detector, or None.
        baselines: Names and figures of classical methods on the same folds.
        out_of_fold: Scores and history behind it.
        domains: Figures of a detector by recorder or data set, or None.
    """

    predictions: Predictions
    metrics: Metrics
    threshold: ChosenThreshold | None
    baselines: tuple[tuple[str, Summary], ...]
    out_of_fold: OutOfFold
    domains: DomainReport | None = None

    @property
    def operating_points(self) -> tuple[tuple[str, OperatingPoint], ...]:
        """Each threshold of a detector, with its recall and false alarms."""
        chosen, fixed = self.threshold, self.metrics.operating_point
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


def judge(
    plan: Plan,
    out_of_fold: OutOfFold,
    context: RunContext,
    groups: Mapping[Path, str] | None = None,
) -> Verdict:
    """Measures the scores, sets a detector's threshold, measures the baselines.

    Args:
        plan: Of the run; the thresholds of a detector are written into its model.
        out_of_fold: From `cross_validate`.
        context: Progress, cache and checkpoint of the run.
        groups: Path of each clip to the group that intervals are drawn over. Default:
            the groups of the clips.
    """
    settings, prepared = plan.settings, plan.prepared
    predictions = predictions_of(
        prepared.dataset,
        out_of_fold.scores,
        out_of_fold.folds,
        settings.task,
        groups,
    )
    chosen = domains = None
    if predictions.positive_label is not None:
        chosen = ChosenThreshold.of(predictions, settings.min_recall or MIN_RECALL)
        plan.model.decision = plan.model.decision.replace(
            onset_threshold=chosen.threshold,
            offset_threshold=_OFFSET_SHARE * chosen.threshold,
        )
        domains = _measure_domains(
            plan, predictions.replace(threshold=chosen.threshold), out_of_fold, context
        )
    return Verdict(
        predictions=predictions,
        metrics=measure(predictions),
        threshold=chosen,
        baselines=measure_baselines(prepared, predictions, settings, context),
        out_of_fold=out_of_fold,
        domains=domains,
    )


def _measure_domains(
    plan: Plan, predictions: Predictions, out_of_fold: OutOfFold, context: RunContext
) -> DomainReport:
    channel, without = None, out_of_fold.without_domain
    if plan.settings.baselines:
        channel = channel_score(
            plan.prepared.dataset,
            limit_of(plan.model.spec.front_end),
            context.embeddings.dir,
            context.progress,
            plan.settings.seed,
        )
    if without is not None:
        without = without[:, predictions.positive_index]
    found = measure_domains(predictions, channel=channel, left_out=without)
    if found.warning:
        context.progress.warn(found.warning)
    return found
