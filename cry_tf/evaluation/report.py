"""What the report of an evaluation shows; its templates are in `cry_tf.reports`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_curve

from cry_tf.evaluation.detection import OperatingPoint
from cry_tf.evaluation.domains import DomainFigures, DomainReport
from cry_tf.evaluation.figures import Estimate, Metrics, Summary
from cry_tf.reports import pages, plots, sounds
from cry_tf.reports.plots import Bar, Plot
from cry_tf.reports.sounds import Sound
from cry_tf.reports.tables import Cell, Table, estimate, number
from cry_tf.runs.predictions import Predictions

_MISTAKES = 12


@dataclass(frozen=True)
class Report:
    """The content of a report.

    Attributes:
        title: First line.
        lead: A sentence: which model was evaluated, on what, how it was split.
        predictions: The scored clips.
        metrics: Measured on them.
        warnings: Sentences for the top of the page.
        operating_points: Of a detector: what each threshold is, and what it does.
        baselines: Names and figures of classical methods on the same clips.
        domains: Figures of a detector by recorder or data set.
        facts: How the model and the figures were made: name and value.
        recordings: Sound files by the clips' names in `predictions`, for the
            players. A clip without one is listed without sound.
    """

    title: str
    lead: str
    predictions: Predictions
    metrics: Metrics
    warnings: tuple[str, ...] = ()
    operating_points: tuple[tuple[str, OperatingPoint], ...] = ()
    baselines: tuple[tuple[str, Summary], ...] = ()
    domains: DomainReport | None = None
    facts: tuple[tuple[str, str], ...] = ()
    recordings: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Mistake:
    """A wrongly labelled clip.

    Attributes:
        file: Name of the clip.
        truth: Label of the clip.
        predicted: Label that the model gave.
        score: Score of the predicted label, as text.
        sound: To play.
    """

    file: str
    truth: str
    predicted: str
    score: str
    sound: Sound


def render(report: Report) -> str:
    """Returns the report as one HTML document."""
    metrics = report.metrics
    labels = [entry.label for entry in metrics.labels]
    mistakes = _surest_mistakes(report)
    return pages.render(
        "evaluation.html",
        title=report.title,
        lead=report.lead,
        warnings=report.warnings,
        summary=_summary(metrics, report.baselines),
        groups=metrics.groups,
        thresholds=_thresholds(report),
        fixed=report.operating_points[0][1] if report.operating_points else None,
        at_rates=metrics.recall_at_rates if report.operating_points else (),
        domains=report.domains,
        domain_table=_domains(report.domains and report.domains.domains),
        left_out_table=_domains(report.domains and report.domains.left_out),
        within=report.domains and estimate(report.domains.within_auc),
        label_plots=[
            plots.confusion_matrix(
                "Confusion matrix", labels, metrics.confusion_matrix
            ),
            label_bars(metrics),
        ],
        labels=_labels(metrics),
        score_plots=_score_plots(report),
        clips=len(report.predictions.files),
        wrong=int((report.predictions.predicted != report.predictions.truth).sum()),
        mistakes=mistakes,
        has_sound=any(mistake.sound.audio for mistake in mistakes),
        folds=_folds(metrics),
        facts=report.facts,
    )


def label_bars(metrics: Metrics) -> Plot:
    """Draws precision and recall of each label with their 95 % intervals."""
    return plots.interval_bars(
        "Recall and precision of each label",
        [f"{entry.label}, n = {entry.clips:,}" for entry in metrics.labels],
        [
            [Bar(entry.recall, "accent"), Bar(entry.precision, "contrast")]
            for entry in metrics.labels
        ],
        "share of clips, with 95 % interval",
        (("recall", "accent"), ("precision", "contrast")),
    )


def _summary(metrics: Metrics, baselines: tuple[tuple[str, Summary], ...]) -> Table:
    header = ["", "clips", "accuracy", "balanced accuracy", "macro-F1", "AUC"]
    has_precision = metrics.model.average_precision is not None
    if has_precision:
        header.append("average precision")

    def row(name: str, summary: Summary) -> list[Cell | str]:
        figures: list[Estimate | None] = [
            summary.accuracy,
            summary.balanced_accuracy,
            summary.macro_f1,
            summary.auc,
        ]
        if has_precision:
            figures.append(summary.average_precision)
        return [name, f"{metrics.clips:,}", *map(estimate, figures)]

    rows = [row("this model", metrics.model)]
    rows += [row(name, summary) for name, summary in baselines]
    rows.append(row(f"always “{metrics.majority_label}”", metrics.majority))
    return Table(header, rows, strong=(0,))


def _thresholds(report: Report) -> Table | None:
    if not report.operating_points:
        return None
    header = [
        "threshold",
        "recall",
        "precision",
        "false-positive rate",
        "false alarms",
        "false alarms an hour",
    ]
    rows = [
        [
            name,
            number(point.recall),
            number(point.precision),
            number(point.false_positive_rate, 4),
            f"{point.false_alarms:,}",
            number(point.false_alarms_per_hour, 2),
        ]
        for name, point in report.operating_points
    ]
    return Table(header, rows)


def _domains(domains: Sequence[DomainFigures] | None) -> Table | None:
    if not domains:
        return None
    header = ["domain", "clips", "groups", "cries", "other sounds", "threshold"]
    header += ["recall", "false-positive rate", "AUC"]
    rows = [
        [
            entry.domain,
            f"{entry.clips:,}",
            f"{entry.groups:,}",
            f"{entry.positives:,}",
            f"{entry.negatives:,}",
            number(entry.threshold, 2),
            estimate(entry.recall),
            estimate(entry.false_positive_rate),
            estimate(entry.auc),
        ]
        for entry in domains
    ]
    return Table(header, rows)


def _labels(metrics: Metrics) -> Table:
    header = ["label", "clips", "groups", "predicted"]
    header += ["precision", "recall", "F1", "AUC"]
    rows = [
        [
            entry.label,
            f"{entry.clips:,}",
            f"{entry.groups:,}",
            f"{entry.predicted:,}",
            estimate(entry.precision),
            estimate(entry.recall),
            estimate(entry.f1),
            estimate(entry.auc),
        ]
        for entry in metrics.labels
    ]
    return Table(header, rows)


def _score_plots(report: Report) -> list[Plot]:
    predictions, metrics = report.predictions, report.metrics
    drawn = []
    if predictions.positive_label is not None:
        is_positive = predictions.is_positive
        drawn.append(
            plots.score_histogram(
                "Scores of the clips",
                predictions.positive_scores,
                is_positive,
                predictions.positive_label,
                predictions.threshold,
            )
        )
        if 0 < is_positive.sum() < len(predictions.files):
            rates, recalls, _ = roc_curve(is_positive, predictions.positive_scores)
            drawn.append(
                plots.receiver_curve(
                    "Recall and false alarms",
                    rates,
                    recalls,
                    _marked(metrics.operating_point, predictions.threshold),
                )
            )
    found = metrics.calibration
    drawn.append(
        plots.calibration(
            "Calibration of the scores",
            found.claim,
            [
                (entry.mean_score, entry.observed, entry.clips)
                for entry in found.bins
                if entry.mean_score is not None and entry.observed is not None
            ],
            "A dot on the dotted line is a score that can be read as a probability. "
            "The numbers are clips. Mean distance from the line: "
            f"{found.expected_error:.3f}.",
        )
    )
    return drawn


def _marked(
    point: OperatingPoint | None, threshold: float
) -> tuple[float, float, str] | None:
    if point is None or point.recall is None:
        return None
    return point.false_positive_rate or 0.0, point.recall, f"threshold {threshold:.2f}"


def _surest_mistakes(report: Report) -> list[Mistake]:
    """The wrong clips with the highest scores."""
    predictions = report.predictions
    wrong = np.flatnonzero(predictions.predicted != predictions.truth)
    surety = predictions.scores[wrong, predictions.predicted[wrong]]
    surest = wrong[np.argsort(-surety, kind="stable")][:_MISTAKES]
    files = [predictions.files[i] for i in surest]
    played = sounds.embed(report.recordings.get(file) for file in files)
    return [
        Mistake(
            file,
            predictions.labels[predictions.truth[i]],
            predictions.labels[predictions.predicted[i]],
            number(float(predictions.scores[i, predictions.predicted[i]])),
            sound,
        )
        for i, file, sound in zip(surest, files, played, strict=True)
    ]


def _folds(metrics: Metrics) -> Table | None:
    if not metrics.folds:
        return None
    names = ("accuracy", "balanced_accuracy", "macro_f1", "auc")
    rows = [
        [f"fold {entry.fold}", f"{entry.clips:,}"]
        + [number(getattr(entry, name)) for name in names]
        for entry in metrics.folds
    ]
    spread = [
        f"{number(metrics.fold_mean.get(name))} ± "
        f"{number(metrics.fold_deviation.get(name))}"
        for name in names
    ]
    rows.append(["mean ± deviation", f"{metrics.clips:,}", *spread])
    header = ["held out", "clips", "accuracy", "balanced accuracy", "macro-F1", "AUC"]
    return Table(header, rows, strong=(len(rows) - 1,))
