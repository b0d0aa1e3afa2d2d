"""The figures of a report, drawn from predictions and their metrics."""

from __future__ import annotations

import math

import numpy as np
from sklearn.metrics import roc_curve

from cry_tf.evaluation.calibration import Calibration
from cry_tf.evaluation.figures import Estimate, Metrics
from cry_tf.evaluation.predictions import Predictions
from cry_tf.evaluation.svg import Axes, Drawing

_WIDTH = 440
_SHARES = [(share, f"{share:g}") for share in (0, 0.25, 0.5, 0.75, 1)]
_LOWEST_RATE = 1e-3
_LETTER = 6.6  # average width of a 12-unit letter


def confusion_matrix(metrics: Metrics) -> str:
    """Draws counts: a row is a true label, a column an answer."""
    labels = [entry.label for entry in metrics.labels]
    left = min(_LETTER * max(10, *map(len, labels)) + 24, 190)
    # Many labels make a wider drawing, which the page scales down.
    cell = max(min((_WIDTH - left) / len(labels), 84), 30)
    row = min(cell, 46)
    # Long names under narrow columns are turned.
    is_turned = _LETTER * max(map(len, labels)) > cell
    below = 26 + (_LETTER * max(map(len, labels)) * 0.72 if is_turned else 0)
    top = 22
    bottom = top + row * len(labels)
    width = max(_WIDTH, left + cell * len(labels))
    drawing = Drawing(width, bottom + below + 18, "Confusion matrix")
    drawing.text(left - 10, 14, "true label", "end")
    for i, counts in enumerate(metrics.confusion_matrix):
        y = top + i * row
        drawing.text(left - 10, y + row / 2 + 4, labels[i], "end", "ink")
        total = sum(counts)
        for j, count in enumerate(counts):
            x = left + j * cell
            share = count / total if total else 0
            drawing.rectangle(x + 1, y + 1, cell - 2, row - 2, "grid", 0.45)
            colour = "accent" if i == j else "contrast"
            drawing.rectangle(x + 1, y + 1, cell - 2, row - 2, colour, 0.6 * share)
            ink = "ink" if count else "muted"
            drawing.text(x + cell / 2, y + row / 2 + 5, f"{count:,}", "middle", ink, 14)
    for j, label in enumerate(labels):
        x = left + (j + 0.5) * cell
        if is_turned:
            drawing.text(x + 4, bottom + 16, label, "end", "ink", turn=-45)
        else:
            drawing.text(x, bottom + 18, label, "middle", "ink")
    middle = left + cell * len(labels) / 2
    drawing.text(middle, bottom + below + 10, "answer", "middle")
    return drawing.render()


def label_bars(metrics: Metrics) -> str:
    """Draws precision and recall of each label with their 95 % intervals."""
    longest = max(len(entry.label) for entry in metrics.labels)
    left = min(max(_LETTER * longest + 24, 90), 240)
    right, row, top = _WIDTH - 16, 44, 28
    bottom = top + row * len(metrics.labels)
    drawing = Drawing(_WIDTH, bottom + 44, "Precision and recall of each label")
    axes = Axes(drawing, (left, top, right, bottom), (0, 1), (0, 1))
    axes.x_ticks(_SHARES, "share of clips, with 95 % interval")
    for name, colour, x in (
        ("recall", "accent", left),
        ("precision", "contrast", left + 76),
    ):
        drawing.rectangle(x, 8, 10, 10, colour)
        drawing.text(x + 15, 17, name, colour="ink")
    for i, entry in enumerate(metrics.labels):
        y = top + i * row
        drawing.text(left - 10, y + 18, entry.label, "end", "ink")
        drawing.text(left - 10, y + 33, f"n = {entry.clips:,}", "end", size=11)
        _bar(axes, y + 8, entry.recall, "accent")
        _bar(axes, y + 23, entry.precision, "contrast")
    return drawing.render()


def _bar(axes: Axes, y: float, estimate: Estimate, colour: str) -> None:
    drawing, height = axes.drawing, 12
    if estimate.value is None:
        drawing.text(axes.left + 6, y + 10, "none in the data", size=11)
        return
    width = axes.x(estimate.value) - axes.left
    drawing.rectangle(axes.left, y, width, height, colour, 0.75)
    if estimate.low is not None and estimate.high is not None:
        middle = y + height / 2
        ends = axes.x(estimate.low), axes.x(estimate.high)
        drawing.line([(ends[0], middle), (ends[1], middle)], "ink", 1.5)
        for x in ends:
            drawing.line([(x, middle - 3), (x, middle + 3)], "ink", 1.5)


def roc(predictions: Predictions, metrics: Metrics) -> str:
    """Draws recall over the false-positive rate, the latter on a log axis."""
    drawing = Drawing(_WIDTH, 300, "Recall over false-positive rate")
    low = math.log10(_LOWEST_RATE)
    axes = Axes(drawing, (62, 14, _WIDTH - 16, 250), (low, 0), (0, 1))
    ticks = [(-3.0, "≤ 0.001"), (-2.0, "0.01"), (-1.0, "0.1"), (0.0, "1")]
    axes.x_ticks(ticks, "false-positive rate (log)")
    axes.y_ticks(_SHARES, "recall")
    rates, recalls, _ = roc_curve(predictions.is_positive, predictions.positive_scores)
    logs = np.log10(np.maximum(rates, _LOWEST_RATE))
    steps = [(float(logs[0]), float(recalls[0]))]
    for x, y in zip(logs[1:], recalls[1:], strict=True):
        steps += [(float(x), steps[-1][1]), (float(x), float(y))]
    chance = [(x, 10**x) for x in np.linspace(low, 0, 40)]
    axes.line(chance, "muted", 1, "3 4")
    axes.line(steps, "accent")
    point = metrics.operating_point
    if point is not None and point.recall is not None:
        rate = max(point.false_positive_rate or 0, _LOWEST_RATE)
        x, y = axes.x(math.log10(rate)), axes.y(point.recall)
        drawing.dot(x, y, 5, "contrast")
        is_right = x > axes.right - 130
        drawing.text(
            x + (-10 if is_right else 10),
            y + (18 if point.recall > 0.15 else -10),
            f"threshold {predictions.threshold:.2f}",
            "end" if is_right else "start",
            "ink",
        )
    return drawing.render()


def score_histogram(predictions: Predictions, bins: int = 25) -> str:
    """Draws how the scores of the two classes are spread, one above the other."""
    drawing = Drawing(_WIDTH, 300, "Scores of positive and negative clips")
    positive = predictions.is_positive
    edges = np.linspace(0, 1, bins + 1)
    shares = []
    for chosen in (positive, ~positive):
        counts, _ = np.histogram(predictions.positive_scores[chosen], edges)
        shares.append(counts / max(chosen.sum(), 1))
    # A square root keeps the few clips on the wrong side visible.
    heights = [np.sqrt(share) for share in shares]
    axes = Axes(drawing, (62, 14, _WIDTH - 16, 250), (0, 1), (-1, 1))
    axes.x_ticks(_SHARES, f"score of {predictions.positive_label}")
    axes.y_ticks([(0, "")], "share of clips (square root)")
    for i in range(bins):
        x, width = axes.x(edges[i]) + 0.5, axes.x(edges[1]) - axes.x(0) - 1
        up, down = axes.y(heights[0][i]), axes.y(-heights[1][i])
        drawing.rectangle(x, up, width, axes.y(0) - up, "accent", 0.85)
        drawing.rectangle(x, axes.y(0), width, down - axes.y(0), "contrast", 0.85)
    threshold = predictions.threshold
    axes.line([(threshold, -1), (threshold, 1)], "ink", 1, "4 3")
    positives = f"{predictions.positive_label} ({positive.sum():,} clips)"
    drawing.text(axes.left + 8, 32, positives, colour="ink")
    negatives = f"the rest ({(~positive).sum():,} clips)"
    drawing.text(axes.right - 8, 242, negatives, "end", "ink")
    return drawing.render()


def calibration(figures: Calibration) -> str:
    """Draws what the scores claimed against what was true."""
    drawing = Drawing(_WIDTH, 300, "Calibration")
    axes = Axes(drawing, (62, 14, _WIDTH - 16, 250), (0, 1), (0, 1))
    axes.x_ticks(_SHARES, f"score: claim that {figures.claim}")
    axes.y_ticks(_SHARES, "share for which it is true")
    axes.line([(0, 0), (1, 1)], "muted", 1, "3 4")
    filled = [entry for entry in figures.bins if entry.clips]
    clips = sum(entry.clips for entry in filled)
    for entry in filled:
        if entry.mean_score is None or entry.observed is None:
            continue
        x, y = axes.x(entry.mean_score), axes.y(entry.observed)
        radius = 3 + 11 * math.sqrt(entry.clips / clips)
        drawing.dot(x, y, radius, "accent", 0.7)
        beside = x - radius - 4 if entry.mean_score > 0.8 else x + radius + 4
        anchor = "end" if entry.mean_score > 0.8 else "start"
        drawing.text(beside, y + 4, f"{entry.clips:,}", anchor, size=11)
    return drawing.render()
