"""Accuracy, size and latency of files in one drawing each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from cry_tf.benchmarking.candidate import METRIC_NAMES, METRIC_OF_TASK, Candidate
from cry_tf.evaluation.svg import Axes, Drawing

_WIDTH, _HEIGHT, _BOTTOM = 440, 330, 280


def accuracy_over_size(candidates: Sequence[Candidate], on_front: set[str]) -> str:
    """Draws accuracy over file size; a larger dot takes longer."""
    return _scatter(
        candidates,
        on_front,
        "Accuracy over file size",
        lambda each: each.file_bytes / 1e6,
        "file, MB (log)",
        lambda each: each.latency_s,
    )


def accuracy_over_latency(candidates: Sequence[Candidate], on_front: set[str]) -> str:
    """Draws accuracy over the time of a run; a larger dot is a larger file."""
    return _scatter(
        candidates,
        on_front,
        "Accuracy over latency",
        lambda each: 1e3 * each.latency_s,
        "median run, ms (log)",
        lambda each: each.file_bytes,
    )


def latency_over_size(candidates: Sequence[Candidate], on_front: set[str]) -> str:
    """Draws the time of a run over file size, where accuracy is not known."""
    drawing = Drawing(_WIDTH, _HEIGHT, "Latency over file size")
    sizes = [each.file_bytes / 1e6 for each in candidates]
    times = [1e3 * each.latency_s for each in candidates]
    x_range, x_ticks = _log_scale(sizes)
    y_range, y_ticks = _log_scale(times)
    axes = Axes(drawing, (66, 16, _WIDTH - 16, _BOTTOM), x_range, y_range)
    axes.x_ticks(x_ticks, "file, MB (log)")
    axes.y_ticks(y_ticks, "median run, ms (log)")
    places = [
        (math.log10(size), math.log10(time))
        for size, time in zip(sizes, times, strict=True)
    ]
    radii = [6.0] * len(places)
    _dots(axes, candidates, on_front, places, radii, is_high_better=False)
    return drawing.render()


def _scatter(
    candidates: Sequence[Candidate],
    on_front: set[str],
    title: str,
    cost: Callable[[Candidate], float],
    cost_title: str,
    area: Callable[[Candidate], float],
) -> str:
    drawing = Drawing(_WIDTH, _HEIGHT, title)
    x_range, x_ticks = _log_scale([cost(each) for each in candidates])
    values = [each.quality or 0.0 for each in candidates]
    y_range, y_ticks = _share_scale(values)
    axes = Axes(drawing, (66, 16, _WIDTH - 16, _BOTTOM), x_range, y_range)
    axes.x_ticks(x_ticks, cost_title)
    axes.y_ticks(y_ticks, METRIC_NAMES[METRIC_OF_TASK[candidates[0].task]])
    most = max(area(each) for each in candidates)
    radii = [4 + 9 * math.sqrt(area(each) / most) for each in candidates]
    places = [
        (math.log10(cost(each)), value)
        for each, value in zip(candidates, values, strict=True)
    ]
    _dots(axes, candidates, on_front, places, radii)
    return drawing.render()


def _dots(
    axes: Axes,
    candidates: Sequence[Candidate],
    on_front: set[str],
    places: Sequence[tuple[float, float]],
    radii: Sequence[float],
    is_high_better: bool = True,
) -> None:
    """Draws the dots, a line along the best of this drawing, and their numbers."""
    sign = -1 if is_high_better else 1
    best: list[tuple[float, float]] = []
    for x, y in sorted(places, key=lambda place: (place[0], sign * place[1])):
        if not best or sign * y < sign * best[-1][1]:
            best.append((x, y))
    axes.line(best, "accent", 1.2, "4 3")
    middle = (axes.left + axes.right) / 2
    taken: list[tuple[float, float]] = []
    for number, (each, place, radius) in enumerate(
        zip(candidates, places, radii, strict=True), start=1
    ):
        x, y = axes.x(place[0]), axes.y(place[1])
        is_front = each.name in on_front
        axes.drawing.dot(x, y, radius, "accent" if is_front else "muted", 0.65)
        is_left = x > middle
        text_x, text_y = x + (-radius - 4 if is_left else radius + 4), y + 4
        while any(abs(text_x - a) < 16 and abs(text_y - b) < 12 for a, b in taken):
            text_y += 12  # numbers of dots in one place stand below each other
        taken.append((text_x, text_y))
        anchor = "end" if is_left else "start"
        axes.drawing.text(text_x, text_y, str(number), anchor, "ink", 12)


def _log_scale(
    values: Sequence[float],
) -> tuple[tuple[float, float], list[tuple[float, str]]]:
    """Returns a range around the values, in powers of ten, and its ticks."""
    low, high = math.log10(min(values)), math.log10(max(values))
    space = max(0.12 * (high - low), 0.12)
    low, high = low - space, high + space
    digits = (1, 2, 5) if high - low > 0.9 else (1, 1.5, 2, 3, 4, 5, 6, 8)
    ticks = [
        (math.log10(digit * 10.0**power), f"{digit * 10.0**power:g}")
        for power in range(math.floor(low), math.ceil(high) + 1)
        for digit in (digits if high - low < 2.5 else (1,))
    ]
    return (low, high), [(x, text) for x, text in ticks if low <= x <= high]


def _share_scale(
    values: Sequence[float],
) -> tuple[tuple[float, float], list[tuple[float, str]]]:
    """Returns a range around shares, and its ticks."""
    spread = max(max(values) - min(values), 0.02)
    low, high = min(values) - 0.25 * spread, max(values) + 0.25 * spread
    step = next(s for s in (0.005, 0.01, 0.02, 0.05, 0.1, 0.25) if spread / s <= 5)
    first, last = math.ceil(low / step), math.floor(high / step)
    digits = 3 if step < 0.01 else 2
    return (low, high), [
        (n * step, f"{n * step:.{digits}f}") for n in range(first, last + 1)
    ]
