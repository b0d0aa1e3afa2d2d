"""A self-contained HTML report of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np

from cry_tf.evaluation import plots
from cry_tf.evaluation.detection import OperatingPoint
from cry_tf.evaluation.figures import Estimate, Metrics, Summary
from cry_tf.evaluation.page import facts, figure, page, table
from cry_tf.evaluation.predictions import Predictions

_MISTAKES = 12


@dataclass(frozen=True)
class Report:
    """What a report says.

    Attributes:
        title: First line.
        lead: A sentence: which model was judged, on what, how it was split.
        predictions: The scored clips.
        metrics: Measured on them.
        warnings: Sentences that the reader must know first.
        operating_points: Of a detector: what each threshold is, and what it does.
        baselines: Names and figures of classical methods on the same clips.
        facts: How the model and the figures were made: name and value.
    """

    title: str
    lead: str
    predictions: Predictions
    metrics: Metrics
    warnings: tuple[str, ...] = ()
    operating_points: tuple[tuple[str, OperatingPoint], ...] = ()
    baselines: tuple[tuple[str, Summary], ...] = ()
    facts: tuple[tuple[str, str], ...] = ()


def render(report: Report) -> str:
    """Returns the report as one HTML document."""
    sections = [
        f"<h1>{escape(report.title)}</h1>",
        f'<p class="lead">{escape(report.lead)}</p>',
        _warnings(report.warnings),
        "<h2>Result</h2>",
        _summary(report.metrics, report.baselines),
        _operating_points(report),
        "<h2>Labels</h2>",
        _figures(
            ("What was answered", plots.confusion_matrix(report.metrics), ""),
            ("How well each label is found", plots.label_bars(report.metrics), ""),
        ),
        _labels(report.metrics),
        "<h2>Scores</h2>",
        _score_figures(report),
        _surest_mistakes(report.predictions),
        _folds(report.metrics),
        "<h2>How it was made</h2>",
        facts(report.facts),
    ]
    return page(report.title, "\n".join(section for section in sections if section))


def number(value: float | None, digits: int = 3) -> str:
    """Returns a figure for a person; a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def _estimate(estimate: Estimate | None) -> str:
    if estimate is None or estimate.value is None:
        return "–"
    text = number(estimate.value)
    if estimate.low is not None:
        interval = f"{number(estimate.low)} – {number(estimate.high)}"
        text += f"<small>{interval}</small>"
    return text


def _warnings(sentences: tuple[str, ...]) -> str:
    if not sentences:
        return ""
    paragraphs = "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)
    return f'<div class="notice">{paragraphs}</div>'


def _summary(metrics: Metrics, baselines: tuple[tuple[str, Summary], ...] = ()) -> str:
    header = ["", "clips", "accuracy", "balanced accuracy", "macro-F1", "AUC"]
    has_precision = metrics.model.average_precision is not None
    if has_precision:
        header.append("average precision")

    def row(name: str, summary: Summary) -> list[str]:
        cells = [name, f"{metrics.clips:,}"]
        cells += [
            _estimate(summary.accuracy),
            _estimate(summary.balanced_accuracy),
            _estimate(summary.macro_f1),
            _estimate(summary.auc),
        ]
        return cells + ([_estimate(summary.average_precision)] if has_precision else [])

    majority = f"always “{escape(metrics.majority_label)}”"
    rows = [row("this model", metrics.model)]
    rows += [row(escape(name), summary) for name, summary in baselines]
    rows.append(row(majority, metrics.majority))
    return table(header, rows, strong_rows=(0,)) + (
        '<p class="note">Small figures: 95 % interval, 1,000 bootstrap draws of whole '
        f"groups ({metrics.groups:,}). Always answering the commonest label is what "
        "any model has to beat.</p>"
    )


def _operating_points(report: Report) -> str:
    if not report.operating_points:
        return ""
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
            escape(name),
            number(point.recall),
            number(point.precision),
            number(point.false_positive_rate, 4),
            f"{point.false_alarms:,}",
            number(point.false_alarms_per_hour, 2),
        ]
        for name, point in report.operating_points
    ]
    hours = report.operating_points[0][1].negative_hours
    what = "a clip without a cry that was called one"
    if report.operating_points[0][1].counted == "events":
        what = "an event that was found in a recording without a cry"
    rates = ", ".join(
        f"{entry.recall:.3f} at {100 * entry.false_positive_rate:g} %"
        for entry in report.metrics.recall_at_rates
    )
    at_rates = f"<p>Best recall at a false-positive rate: {rates}.</p>" if rates else ""
    return (
        "<h2>False alarms</h2>"
        + table(header, rows)
        + f'<p class="note">A false alarm is {what}; '
        f"the data holds {hours:.2f} hours without a cry.</p>" + at_rates
    )


def _labels(metrics: Metrics) -> str:
    header = [
        "label",
        "clips",
        "groups",
        "answered",
        "precision",
        "recall",
        "F1",
        "AUC",
    ]
    rows = [
        [
            escape(entry.label),
            f"{entry.clips:,}",
            f"{entry.groups:,}",
            f"{entry.predicted:,}",
            _estimate(entry.precision),
            _estimate(entry.recall),
            _estimate(entry.f1),
            _estimate(entry.auc),
        ]
        for entry in metrics.labels
    ]
    return table(header, rows)


def _score_figures(report: Report) -> str:
    predictions, metrics = report.predictions, report.metrics
    figures = []
    if predictions.positive_label is not None:
        spread = plots.score_histogram(predictions)
        figures.append(("How the scores are spread", spread, ""))
        if 0 < predictions.is_positive.sum() < len(predictions.files):
            figures.append(
                ("Recall and false alarms", plots.roc(predictions, metrics), "")
            )
    error = metrics.calibration.expected_error
    caption = (
        "A dot on the dashed line is a score that can be taken as a probability. "
        f"Numbers are clips. Mean distance from the line: {error:.3f}."
    )
    drawn = plots.calibration(metrics.calibration)
    figures.append(("What the scores are worth", drawn, caption))
    return _figures(*figures)


def _figures(*figures: tuple[str, str, str]) -> str:
    return f'<div class="figures">{"".join(figure(*entry) for entry in figures)}</div>'


def _surest_mistakes(predictions: Predictions) -> str:
    """The wrong answers with the highest scores: what to listen to first."""
    wrong = np.flatnonzero(predictions.predicted != predictions.truth)
    if not len(wrong):
        return ""
    surety = predictions.scores[wrong, predictions.predicted[wrong]]
    surest = wrong[np.argsort(-surety, kind="stable")][:_MISTAKES]
    rows = [
        [
            escape(predictions.files[i]),
            escape(predictions.labels[predictions.truth[i]]),
            escape(predictions.labels[predictions.predicted[i]]),
            number(float(predictions.scores[i, predictions.predicted[i]])),
        ]
        for i in surest
    ]
    header = ["clip", "true label", "answer", "score"]
    return (
        f"<h2>Surest mistakes</h2><p>{len(wrong):,} of {len(predictions.files):,} "
        "clips were answered wrongly. Worth listening to first, for the label may be "
        f"wrong too:</p>{table(header, rows)}"
    )


def _folds(metrics: Metrics) -> str:
    if not metrics.folds:
        return ""
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
    return "<h2>Folds</h2>" + table(header, rows, strong_rows=(len(rows) - 1,))
