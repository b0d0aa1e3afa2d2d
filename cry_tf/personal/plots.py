"""The drawings of a personal report."""

from __future__ import annotations

from cry_tf.evaluation.svg import Axes, Drawing
from cry_tf.personal.comparison import HEARD, SEEN, UNSEEN, WITHIN, Comparison

_WIDTH = 440
_SHARES = [(share, f"{share:g}") for share in (0, 0.25, 0.5, 0.75, 1)]
_COLOURS = {SEEN: "accent", UNSEEN: "contrast", HEARD: "contrast"}
_SHORT = 18


def accuracy_bars(comparison: Comparison) -> str:
    """Draws the accuracy of each row with its 95 % interval."""
    left, right, row, top = 210, _WIDTH - 16, 30, 8
    bottom = top + row * len(comparison.rows)
    drawing = Drawing(_WIDTH, bottom + 44, f"Accuracy, {comparison.title}")
    axes = Axes(drawing, (left, top, right, bottom), (0, 1), (0, 1))
    axes.x_ticks(_SHARES, "share of clips right, with 95 % interval")
    for place, entry in enumerate(comparison.rows):
        y = top + place * row
        drawing.text(left - 10, y + 19, entry.name, "end", "ink")
        if entry.accuracy.value is None:
            continue
        width = axes.x(entry.accuracy.value) - left
        colour = _COLOURS.get(entry.kind, "muted")
        drawing.rectangle(left, y + 7, width, 16, colour, 0.75)
        if entry.accuracy.low is not None and entry.accuracy.high is not None:
            ends = axes.x(entry.accuracy.low), axes.x(entry.accuracy.high)
            drawing.line([(ends[0], y + 15), (ends[1], y + 15)], "ink", 1.5)
            for x in ends:
                drawing.line([(x, y + 11), (x, y + 19)], "ink", 1.5)
    return drawing.render()


def infant_dots(comparison: Comparison) -> str:
    """Draws how often each method is right with each infant, one line each."""
    left, right, row, top = 150, _WIDTH - 16, 20, 34
    bottom = top + row * len(comparison.infants)
    drawing = Drawing(_WIDTH, bottom + 44, f"Each infant, {comparison.title}")
    axes = Axes(drawing, (left, top, right, bottom), (0, 1), (0, 1))
    axes.x_ticks(_SHARES, "share of the infant’s clips right")
    seen = next(row.name for row in comparison.rows if row.kind == SEEN)
    unseen = comparison.run_row.name
    keys = (("seen", "accent", left), ("unseen", "contrast", left + 70))
    for name, colour, x in keys:
        drawing.dot(x + 5, 12, 5, colour, 0.9)
        drawing.text(x + 15, 16, name, colour="ink")
    drawing.line([(left + 153, 6), (left + 153, 18)], "ink", 2)
    drawing.text(left + 160, 16, "majority within", colour="ink")
    for place, entry in enumerate(comparison.infants):
        y = top + (place + 0.5) * row
        short = entry.name if len(entry.name) <= _SHORT else f"{entry.name[:8]}…"
        drawing.text(left - 10, y + 4, f"{short}, n = {entry.clips}", "end", "ink", 11)
        within = axes.x(entry.right[WITHIN])
        drawing.line([(within, y - 7), (within, y + 7)], "ink", 2)
        # A seen dot within an unseen one, where they meet.
        drawing.dot(axes.x(entry.right[unseen]), y, 6.5, "contrast", 0.8)
        drawing.dot(axes.x(entry.right[seen]), y, 4, "accent", 1)
    return drawing.render()
