"""Every plot of a page, drawn by matplotlib as SVG in the colours of the page."""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cry_tf.reports.tables import Interval

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes

# CSS pixels that a phone of 360 leaves between the margins: text has at least its size.
WIDTH_PX = 328
_TEXT_PX, _SMALL_PX = 13, 12
# What matplotlib draws with, and the page's variable that takes its place.
_INK, _MUTED, _GRID, _ACCENT, _CONTRAST, _PAGE = (
    f"#c0ffe{digit}" for digit in range(1, 7)
)
_VARIABLES = {
    _INK: "var(--ink)",
    _MUTED: "var(--muted)",
    _GRID: "var(--grid)",
    _ACCENT: "var(--accent)",
    _CONTRAST: "var(--contrast)",
    _PAGE: "var(--page)",
}
_COLOURS = {"accent": _ACCENT, "contrast": _CONTRAST, "muted": _MUTED}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text, in the font of the page
    "svg.hashsalt": "cry-tf",  # the same plot has the same bytes
    "font.size": _TEXT_PX,
    "text.parse_math": False,  # a label with $ in it is a label
    "text.color": _INK,
    "axes.labelcolor": _MUTED,
    "axes.edgecolor": _GRID,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": _GRID,
    "xtick.color": _GRID,
    "ytick.color": _GRID,
    "xtick.labelcolor": _MUTED,
    "ytick.labelcolor": _MUTED,
    "xtick.labelsize": _SMALL_PX,
    "ytick.labelsize": _SMALL_PX,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.major.pad": 6,
    "ytick.major.pad": 6,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "legend.frameon": False,
    "legend.fontsize": _TEXT_PX,
    "figure.dpi": 72,  # one unit of the SVG is a pixel
}
_SHARES = [0, 0.25, 0.5, 0.75, 1]
_SHARE_NAMES = ["0", "0.25", "0.5", "0.75", "1"]
_LOWEST_RATE = 1e-3
_LONGEST = 24
_COLUMNS = 25  # of a histogram of scores


@dataclass(frozen=True)
class Plot:
    """A drawing for a page.

    Attributes:
        title: Title of the plot.
        svg: The drawing.
        caption: A sentence below, or "".
        problem: Why it could not be drawn, or "".
    """

    title: str
    svg: Markup | str
    caption: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Bar:
    """A bar of `interval_bars`.

    Attributes:
        share: Its length in [0, 1] with the interval; a value of None is said.
        colour: `accent`, `contrast` or `muted`.
    """

    share: Interval
    colour: str


@dataclass(frozen=True)
class Dot:
    """A point of `trade_off`.

    Attributes:
        x: Cost, above 0.
        y: Value on the vertical axis.
        area: Size of the dot, relative to the others.
        is_front: Whether no other point beats it.
    """

    x: float
    y: float
    area: float
    is_front: bool


def confusion_matrix(
    title: str, labels: Sequence[str], counts: Sequence[Sequence[int]]
) -> Plot:
    """Draws counts: a row is a true label, a column a predicted one."""
    names = [_short(label) for label in labels]
    margin_px = 7 * max(len(name) for name in names) + 30
    # Many labels make a broad drawing, which scrolls on a phone.
    width_px = max(WIDTH_PX, margin_px + 40 * len(labels))
    cell_px = (width_px - margin_px) / len(labels)
    is_turned = 7 * max(len(name) for name in names) > cell_px
    height_px = 44 * len(labels) + (margin_px * 0.72 if is_turned else 30) + 30

    def draw(axes: Axes) -> None:
        axes.grid(False)
        for side in axes.spines.values():
            side.set_visible(False)
        for i, row in enumerate(counts):
            total = sum(row)
            for j, count in enumerate(row):
                axes.add_patch(_cell(j, i, _GRID, 0.45))
                if count:
                    colour = _ACCENT if i == j else _CONTRAST
                    axes.add_patch(_cell(j, i, colour, 0.6 * count / total))
                ink = _INK if count else _MUTED
                axes.text(j, i, f"{count:,}", ha="center", va="center", color=ink)
        axes.set_xlim(-0.5, len(labels) - 0.5)
        axes.set_ylim(len(labels) - 0.5, -0.5)
        turned = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
        axes.set_xticks(range(len(labels)), names, **turned if is_turned else {})
        axes.set_yticks(range(len(labels)), names)
        axes.tick_params(labelcolor=_INK)
        axes.set_xlabel("predicted label")
        axes.set_ylabel("true label")

    return _drawn(title, draw, height_px, width_px)


def interval_bars(
    title: str,
    names: Sequence[str],
    bars: Sequence[Sequence[Bar]],
    x_label: str,
    key: Sequence[tuple[str, str]] = (),
) -> Plot:
    """Draws shares as bars with their 95 % intervals, a group below each name.

    Args:
        title: What is shown.
        names: Names of the groups, from the top.
        bars: Of each group.
        x_label: What a share is of.
        key: Names and colours of the bars, where they need one.
    """
    name_px, bar_px, gap_px = 20, 15, 10
    rows_px = sum(name_px + bar_px * len(group) + gap_px for group in bars)

    def draw(axes: Axes) -> None:
        y = 0.0
        for name, group in zip(names, bars, strict=True):
            axes.text(0, y + name_px / 2, f" {_short(name, 48)}", va="center")
            y += name_px
            for bar in group:
                _bar(axes, y + bar_px / 2, bar, bar_px - 2)
                y += bar_px
            y += gap_px
        axes.set_ylim(y, 0)
        axes.set_xlim(0, 1)
        axes.set_xticks(_SHARES, _SHARE_NAMES)
        axes.set_yticks([])
        axes.set_xlabel(x_label)
        if key:
            handles = [
                axes.fill_between([], [], color=_COLOURS[colour], label=name, lw=0)
                for name, colour in key
            ]
            _key(axes, handles)

    return _drawn(title, draw, rows_px + 50 + (28 if key else 0))


def receiver_curve(
    title: str,
    rates: np.ndarray,
    recalls: np.ndarray,
    marked: tuple[float, float, str] | None = None,
) -> Plot:
    """Draws recall over the false-positive rate, the latter on a log axis.

    Args:
        title: What is shown.
        rates: Float array `(points,)`, false-positive rates in [0, 1].
        recalls: Float array `(points,)`, recalls in [0, 1].
        marked: A point with its name: rate, recall, name.
    """

    def draw(axes: Axes) -> None:
        axes.set_xscale("log")
        chance = np.geomspace(_LOWEST_RATE, 1, 40)
        axes.plot(chance, chance, color=_MUTED, lw=1, ls=":")
        axes.step(
            np.maximum(rates, _LOWEST_RATE), recalls, where="post", color=_ACCENT, lw=2
        )
        if marked is not None:
            rate, recall, name = marked
            rate = max(rate, _LOWEST_RATE)
            _mark(axes, rate, recall, name, is_right=rate > 0.1)
        axes.set_xlim(_LOWEST_RATE, 1)
        axes.set_ylim(0, 1.02)
        axes.set_xticks([1e-3, 1e-2, 1e-1, 1], ["≤ 0.001", "0.01", "0.1", "1"])
        axes.set_xticks([], minor=True)
        axes.set_yticks(_SHARES, _SHARE_NAMES)
        axes.set_xlabel("false-positive rate (log)")
        axes.set_ylabel("recall")

    return _drawn(title, draw, 270)


def alarm_curve(
    title: str,
    rates: np.ndarray,
    recalls: np.ndarray,
    band_rates: np.ndarray,
    band: np.ndarray,
    lowest: float,
    marked: tuple[float, float, str] | None = None,
) -> Plot:
    """Draws the best recall at each rate of false alarms, the latter on a log axis.

    Args:
        title: What is shown.
        rates: Float array `(thresholds,)`, false alarms an hour.
        recalls: Float array `(thresholds,)`, recalls in [0, 1].
        band_rates: Float array `(points,)`, where the interval is known.
        band: Float array `(points, 2)`, low and high recall, NaN where unknown.
        lowest: Where the axis starts: what the hours can tell from none.
        marked: A point with its name: rate, recall, name.
    """

    def draw(axes: Axes) -> None:
        axes.set_xscale("log")
        is_known = ~(np.isnan(rates) | np.isnan(recalls))
        order = np.lexsort((recalls[is_known], rates[is_known]))
        best = np.maximum.accumulate(recalls[is_known][order])
        at = np.maximum(rates[is_known][order], lowest)
        low, high = band.T
        axes.fill_between(band_rates, low, high, color=_ACCENT, alpha=0.2, lw=0)
        if len(at):
            at, best = np.append(at, max(at[-1], 100)), np.append(best, best[-1])
            axes.step(at, best, where="post", color=_ACCENT, lw=2)
        if marked is not None:
            rate, recall, name = marked
            rate = min(max(rate, lowest), 100)
            _mark(axes, rate, recall, name, is_right=rate > 3)
        axes.set_xlim(lowest, 100)
        axes.set_ylim(0, 1.02)
        ticks = [tick for tick in (0.01, 0.1, 1, 10, 100) if tick >= lowest]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_xticks([], minor=True)
        axes.set_yticks(_SHARES, _SHARE_NAMES)
        axes.set_xlabel("false alarms an hour (log)")
        axes.set_ylabel("recall of bouts")

    caption = "The band is the 95 % interval, with the threshold chosen in each draw."
    return _drawn(title, draw, 280, caption=caption)


def budget_curve(
    title: str,
    rates: Sequence[float],
    heights: Sequence[float],
    marked: tuple[float, float],
    y_label: str,
    lowest: float,
    budget: float | None = None,
) -> Plot:
    """Draws a share over the false alarms an hour, the latter on a log axis.

    Args:
        title: What is shown.
        rates: False alarms an hour of each point.
        heights: The share of each point, in [0, 1].
        marked: The point that was chosen.
        y_label: What the share is.
        lowest: A rate above 0 at which points without a false alarm are drawn.
        budget: A rate to mark by a line, None for none.
    """

    def draw(axes: Axes) -> None:
        axes.set_xscale("log")
        if budget is not None:
            axes.axvline(max(budget, lowest), color=_MUTED, lw=1, ls=":")
        axes.plot(np.maximum(rates, lowest), heights, ".-", color=_ACCENT, lw=2)
        axes.plot(max(marked[0], lowest), marked[1], "o", ms=9, color=_CONTRAST, mew=0)
        low, high, ticks = _log_ticks([lowest, *np.maximum(rates, lowest)])
        axes.set_xlim(low, high)
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_xticks([], minor=True)
        axes.set_ylim(0, 1.02)
        axes.set_yticks(_SHARES, _SHARE_NAMES)
        axes.set_xlabel("false alarms an hour (log)")
        axes.set_ylabel(y_label)

    caption = f"A point at {lowest:.2g} had no false alarm. The large one was chosen"
    caption += "." if budget is None else "; the dotted line is the budget."
    return _drawn(title, draw, 270, caption=caption)


def score_histogram(
    title: str,
    scores: np.ndarray,
    is_positive: np.ndarray,
    label: str,
    threshold: float,
) -> Plot:
    """Draws how the scores of two classes are spread, one above the other.

    Args:
        title: What is shown.
        scores: Float array `(clips,)` in [0, 1].
        is_positive: Bool array `(clips,)`.
        label: Label of the positive clips.
        threshold: Where the model decides.
    """
    name = _short(label)

    def draw(axes: Axes) -> None:
        edges = np.linspace(0, 1, _COLUMNS + 1)
        for chosen, sign, colour in (
            (is_positive, 1, _ACCENT),
            (~is_positive, -1, _CONTRAST),
        ):
            counts, _ = np.histogram(scores[chosen], edges)
            # A square root keeps the few clips on the wrong side visible.
            heights = sign * np.sqrt(counts / max(chosen.sum(), 1))
            axes.bar(
                edges[:-1],
                heights,
                0.9 / _COLUMNS,
                align="edge",
                color=colour,
                alpha=0.85,
            )
        axes.axvline(threshold, color=_INK, lw=1, ls="--")
        axes.set_xlim(0, 1)
        axes.set_ylim(-1.25, 1.25)
        axes.set_xticks(_SHARES, _SHARE_NAMES)
        axes.set_yticks([0], [""])
        axes.set_xlabel(f"score of {name}")
        axes.set_ylabel("share of clips (square root)")
        positives = f"{name} ({int(is_positive.sum()):,} clips)"
        axes.text(0.02, 1.23, positives, va="top")
        negatives = f"the rest ({int((~is_positive).sum()):,} clips)"
        axes.text(0.98, -1.23, negatives, ha="right", va="bottom")

    return _drawn(title, draw, 270)


def calibration(
    title: str, claim: str, bins: Sequence[tuple[float, float, int]], caption: str
) -> Plot:
    """Draws what the scores claimed against what was true.

    Args:
        title: What is shown.
        claim: What a score claims, in words.
        bins: Mean score, share for which the claim is true, number of clips.
        caption: A sentence below.
    """

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=_MUTED, lw=1, ls=":")
        clips = sum(count for *_, count in bins)
        for score, share, count in bins:
            radius = 3 + 10 * math.sqrt(count / clips)
            axes.plot(
                score,
                share,
                "o",
                ms=2 * radius,
                color=_ACCENT,
                alpha=0.7,
                mew=0,
                clip_on=False,
            )
            is_right = score > 0.7
            axes.annotate(
                f"{count:,}",
                (score, share),
                ((-1 if is_right else 1) * (radius + 4), 0),
                textcoords="offset points",
                ha="right" if is_right else "left",
                va="center",
                size=_SMALL_PX,
                color=_MUTED,
            )
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.set_xticks(_SHARES, _SHARE_NAMES)
        axes.set_yticks(_SHARES, _SHARE_NAMES)
        axes.set_xlabel(f"score: claim that {_short(claim, 40)}")
        axes.set_ylabel("share for which it is true")

    return _drawn(title, draw, 280, caption=caption)


def trade_off(
    title: str,
    dots: Sequence[Dot],
    x_label: str,
    y_label: str,
    caption: str,
    is_y_a_cost: bool = False,
) -> Plot:
    """Draws numbered points, what they cost on a log axis.

    Args:
        title: What is shown.
        dots: The points; each is named by its place, counted from 1.
        x_label: What x is.
        y_label: What y is.
        caption: A sentence below.
        is_y_a_cost: True puts y on a log axis too, and less is better.
    """
    sign = 1 if is_y_a_cost else -1

    def draw(axes: Axes) -> None:
        axes.set_xscale("log")
        if is_y_a_cost:
            axes.set_yscale("log")
        best: list[tuple[float, float]] = []
        for x, y in sorted((dot.x, sign * dot.y) for dot in dots):
            if not best or y < best[-1][1]:
                best.append((x, y))
        axes.plot(
            [x for x, _ in best],
            [sign * y for _, y in best],
            color=_ACCENT,
            lw=1.2,
            ls="--",
        )
        _set_range(axes, [dot.x for dot in dots], [dot.y for dot in dots], is_y_a_cost)
        most = max(dot.area for dot in dots)
        taken: list[tuple[float, float]] = []
        for number, dot in enumerate(dots, start=1):
            radius = 4 + 9 * math.sqrt(dot.area / most)
            colour = _ACCENT if dot.is_front else _MUTED
            axes.plot(dot.x, dot.y, "o", ms=2 * radius, color=colour, alpha=0.65, mew=0)
            x_px, y_px = axes.transData.transform((dot.x, dot.y))
            is_left = axes.transAxes.inverted().transform((x_px, y_px))[0] > 0.5
            side = -(radius + 4) if is_left else radius + 4
            down = 0.0
            while any(
                abs(x_px + side - a) < 16 and abs(y_px + down - b) < 13
                for a, b in taken
            ):
                down -= 13  # numbers of dots in one place stand below each other
            taken.append((x_px + side, y_px + down))
            axes.annotate(
                str(number),
                (dot.x, dot.y),
                (side, down),
                textcoords="offset points",
                ha="right" if is_left else "left",
                va="center",
            )
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)

    return _drawn(title, draw, 290, caption=caption)


def share_dots(
    title: str,
    rows: Sequence[tuple[str, float, float, float]],
    names: tuple[str, str, str],
    x_label: str,
    caption: str,
) -> Plot:
    """Draws three shares a row: two dots and a stroke.

    Args:
        title: What is shown.
        rows: Name, share of the small dot, of the large dot, of the stroke.
        names: Legend of the small dot, the large dot, the stroke.
        x_label: What a share is of.
        caption: A sentence below.
    """

    def draw(axes: Axes) -> None:
        places = np.arange(len(rows))
        first, second, third = (
            np.array([row[column] for row in rows]) for column in (1, 2, 3)
        )
        style = {"ls": "", "mew": 0, "clip_on": False}
        strokes = axes.plot(
            third, places, "|", ms=13, mew=2, color=_INK, clip_on=False, label=names[2]
        )
        # The small dot lies within the large one where they meet.
        large = axes.plot(
            second, places, "o", ms=12, color=_CONTRAST, label=names[1], **style
        )
        small = axes.plot(
            first, places, "o", ms=7, color=_ACCENT, label=names[0], **style
        )
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(0, 1)
        axes.set_xticks(_SHARES, _SHARE_NAMES)
        axes.set_yticks(places, [row[0] for row in rows])
        axes.tick_params(axis="y", labelcolor=_INK)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(x_label)
        _key(axes, [*small, *large, *strokes])

    return _drawn(title, draw, 21 * len(rows) + 80, caption=caption)


def _cell(column: int, row: int, colour: str, opacity: float):
    from matplotlib.patches import Rectangle

    corner = (column - 0.48, row - 0.47)
    return Rectangle(corner, 0.96, 0.94, color=colour, alpha=opacity, lw=0)


def _mark(axes: Axes, rate: float, recall: float, name: str, is_right: bool) -> None:
    """Draws a point of a curve, with its name on the side that has room."""
    axes.plot(rate, recall, "o", ms=9, color=_CONTRAST, mew=0, clip_on=False)
    axes.annotate(
        name,
        (rate, recall),
        (-8 if is_right else 8, -16 if recall > 0.15 else 10),
        textcoords="offset points",
        ha="right" if is_right else "left",
    )


def _bar(axes: Axes, y: float, bar: Bar, height: float) -> None:
    share = bar.share
    if share.value is None:
        axes.text(0, y, "  none in the data", va="center", size=_SMALL_PX, color=_MUTED)
        return
    axes.barh(y, share.value, height, color=_COLOURS[bar.colour], alpha=0.75)
    if share.low is not None and share.high is not None:
        axes.plot([share.low, share.high], [y, y], color=_INK, lw=1.5, clip_on=False)
        axes.plot(
            [share.low, share.high],
            [y, y],
            "|",
            color=_INK,
            ms=6,
            mew=1.5,
            clip_on=False,
        )


def _key(axes: Axes, handles: Sequence) -> None:
    """Puts the key above the plot, over its whole width."""
    figure = axes.get_figure(root=True)
    if figure is None:
        return
    figure.legend(
        handles=handles,
        loc="outside upper left",
        ncols=len(handles),
        borderaxespad=0,
        borderpad=0,
        handlelength=1,
        handletextpad=0.5,
        columnspacing=1.2,
    )


def _set_range(
    axes: Axes, xs: Sequence[float], ys: Sequence[float], is_y_log: bool
) -> None:
    """Sets limits and ticks with room around the points."""
    low, high, ticks = _log_ticks(xs)
    axes.set_xlim(low, high)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    if is_y_log:
        low, high, ticks = _log_ticks(ys)
        axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_yticks([], minor=True)
    else:
        spread = max(max(ys) - min(ys), 0.02)
        low, high = min(ys) - 0.25 * spread, max(ys) + 0.25 * spread
    axes.set_ylim(low, high)


def _log_ticks(values: Sequence[float]) -> tuple[float, float, list[float]]:
    """Returns a range around positive values, and a few round numbers in it."""
    low, high = math.log10(min(values)), math.log10(max(values))
    space = max(0.12 * (high - low), 0.12)
    low, high = low - space, high + space
    decades = range(math.floor(low), math.ceil(high) + 1)
    for digits in ((1, 1.5, 2, 3, 4, 5, 6, 8), (1, 2, 5), (1,)):
        ticks = [
            tick
            for power in decades
            for digit in digits
            if low <= math.log10(tick := digit * 10.0**power) <= high
        ]
        if len(ticks) <= 6:  # more do not fit on a phone
            break
    return 10**low, 10**high, ticks


def _short(text: str, letters: int = _LONGEST) -> str:
    """Returns one line of at most so many letters."""
    text = " ".join(text.split())
    return text if len(text) <= letters else f"{text[: letters - 1]}…"


def _drawn(
    title: str,
    draw: Callable[[Axes], None],
    height_px: float,
    width_px: float = WIDTH_PX,
    caption: str = "",
) -> Plot:
    """Returns a plot; one that fails holds the reason in its place."""
    try:
        svg = _svg(title, draw, height_px, width_px)
    except Exception as error:
        return Plot(title, "", caption, f"{type(error).__name__}: {error}")
    return Plot(title, svg, caption)


def _svg(
    title: str, draw: Callable[[Axes], None], height_px: float, width_px: float
) -> Markup:
    import matplotlib
    from markupsafe import Markup, escape
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    file = io.StringIO()
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        # The page's font has the letters that matplotlib's own lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        # The object interface: no global figure, no display.
        figure = Figure(figsize=(width_px / 72, height_px / 72), layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure.subplots())
        no_date = {"Date": None, "Creator": None, "Format": None, "Type": None}
        figure.savefig(file, format="svg", transparent=True, metadata=no_date)
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", text)
    text = re.sub(r" ?font-family: [^;\"]*;?", "", text)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    text = re.sub(r' id="([^"]*)"', lambda found: found[0] * (found[1] in used), text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    text = re.sub(r">\s+<", "><", text)
    kind = ' class="broad"' if width_px > WIDTH_PX else ""
    begin = (
        f'<svg{kind} viewBox="0 0 {width_px:g} {height_px:g}" width="{width_px:g}" '
        f'role="img" aria-label="{escape(title)}" xmlns="http://www.w3.org/2000/svg" '
        'xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
    return Markup(re.sub(r"^<svg[^>]*>", lambda _: begin, text, count=1))
