"""The comparison of exported files as a table and as an HTML page."""

from __future__ import annotations

from html import escape

from cry_tf.benchmarking import plots
from cry_tf.benchmarking.candidate import METRIC_NAMES, Candidate
from cry_tf.benchmarking.comparing import Comparison
from cry_tf.evaluation.figures import Estimate
from cry_tf.evaluation.page import facts, figure, page, table

FRONT_MARK = "*"


def header(comparison: Comparison) -> list[str]:
    """Returns the titles of the columns."""
    titles = ["file", "recipe", *(METRIC_NAMES[name] for name in comparison.metrics)]
    titles += ["MB", "gzipped"]
    for speed in comparison.candidates[0].speeds:
        titles.append(f"ms, {_threads(speed.threads)}")
    return [*titles, "ms a second", "load ms", "first ms", "peak MB"]


def rows(comparison: Comparison) -> list[list[str]]:
    """Returns one row a file, and the one that always gives the commonest label."""
    on_front = {candidate.name for candidate in comparison.front}
    found = []
    for number, each in enumerate(comparison.candidates, start=1):
        mark = FRONT_MARK if each.name in on_front else ""
        found.append(
            [f"{number} {each.name} {mark}".rstrip(), *_cells(each, comparison)]
        )
    if comparison.majority is not None:
        figures = [_estimate(comparison.majority[name]) for name in comparison.metrics]
        empty = [""] * (len(header(comparison)) - 2 - len(figures))
        always = f"always {comparison.majority_label}"
        found.append([always, "", *figures, *empty])
    return found


def sentences(comparison: Comparison) -> list[str]:
    """Returns what a reader of the table must know."""
    first = comparison.candidates[0].speeds[0]
    windows = {each.speeds[0].window_s for each in comparison.candidates}
    heard = ", ".join(f"{window:g}" for window in sorted(windows))
    threads = _threads(first.threads)
    said = [
        f"{FRONT_MARK} no other file is at once no larger, no slower and no less "
        "accurate, and better in one",
        f"ms: median of about {first.runs} runs that hear {heard} s of audio; ms a "
        f"second of audio, load, first run and peak memory with {threads}",
        comparison.machine,
    ]
    if comparison.accuracy_note:
        said.insert(1, comparison.accuracy_note)
    return said


def render(comparison: Comparison) -> str:
    """Returns the page."""
    on_front = {candidate.name for candidate in comparison.front}
    strong = [
        place
        for place, each in enumerate(comparison.candidates)
        if each.name in on_front
    ]
    if comparison.metrics:
        drawings = (
            plots.accuracy_over_size(comparison.candidates, on_front),
            plots.accuracy_over_latency(comparison.candidates, on_front),
        )
        captions = ("A larger dot takes longer.", "A larger dot is a larger file.")
        titles = ("Accuracy over file size", "Accuracy over latency")
    else:
        drawings = (plots.latency_over_size(comparison.candidates, on_front),)
        captions, titles = (
            ("Accuracy is not known: no clips were given.",),
            ("Latency over file size",),
        )
    drawn = "".join(
        figure(title, drawing, caption)
        for title, drawing, caption in zip(titles, drawings, captions, strict=True)
    )
    warned = "".join(f"<p>{escape(each)}</p>" for each in comparison.warnings)
    cells = [[_html(cell) for cell in row] for row in rows(comparison)]
    body = [
        "<h1>Files side by side</h1>",
        f'<p class="lead">{len(comparison.candidates)} files; those that no other '
        "one beats stand out.</p>",
        f'<div class="notice">{warned}</div>' if warned else "",
        table(header(comparison), cells, strong),
        "".join(
            f'<p class="note">{escape(each)}</p>' for each in sentences(comparison)
        ),
        f'<div class="figures">{drawn}</div>',
        "<h2>Files</h2>",
        facts(
            [
                (str(number), str(each.path))
                for number, each in enumerate(comparison.candidates, start=1)
            ]
        ),
    ]
    return page("Files side by side", "\n".join(part for part in body if part))


def _cells(candidate: Candidate, comparison: Comparison) -> list[str]:
    first = candidate.speeds[0]
    return [
        candidate.recipe or "?",
        *(_estimate(candidate.accuracy[name]) for name in comparison.metrics),
        f"{candidate.file_bytes / 1e6:.3f}",
        f"{candidate.gzip_bytes / 1e6:.3f}",
        *(f"{1e3 * speed.median_s:.2f}" for speed in candidate.speeds),
        f"{1e3 * first.per_audio_second_s:.2f}",
        f"{1e3 * first.load_s:.1f}",
        f"{1e3 * first.first_s:.1f}",
        f"{first.peak_bytes / 1e6:.0f}",
    ]


def _estimate(estimate: Estimate) -> str:
    if estimate.value is None:
        return "-"
    if estimate.low is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} ({estimate.low:.3f}-{estimate.high:.3f})"


def _html(cell: str) -> str:
    """Returns a cell whose interval, in brackets, stands small below its figure."""
    figure_, bracket, interval = cell.partition(" (")
    if not bracket or not interval.endswith(")"):
        return escape(cell)
    return f"{escape(figure_)}<small>{escape(interval[:-1])}</small>"


def _threads(count: int) -> str:
    return f"{count} thread" + ("s" if count != 1 else "")
