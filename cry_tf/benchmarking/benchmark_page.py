"""The comparison of exported files as a table and as an HTML page."""

from __future__ import annotations

from collections.abc import Callable

from cry_tf.benchmarking.candidate import METRIC_NAMES, METRIC_OF_TASK, Candidate
from cry_tf.benchmarking.comparing import FileComparison
from cry_tf.evaluation.figures import Estimate
from cry_tf.reports import pages, plots, tables
from cry_tf.reports.plots import Dot, Plot
from cry_tf.reports.tables import Table

FRONT_MARK = "*"


def header(comparison: FileComparison) -> list[str]:
    """Returns the titles of the columns."""
    titles = ["file", "recipe", *(METRIC_NAMES[name] for name in comparison.metrics)]
    titles += ["MB", "gzipped"]
    for speed in comparison.candidates[0].speeds:
        titles.append(f"ms, {_threads(speed.threads)}")
    return [*titles, "ms a second", "load ms", "first ms", "peak MB"]


def rows(comparison: FileComparison) -> list[list[str]]:
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


def sentences(comparison: FileComparison) -> list[str]:
    """Returns the notes below the table."""
    first = comparison.candidates[0].speeds[0]
    windows = {each.speeds[0].window_s for each in comparison.candidates}
    window_s = ", ".join(f"{window:g}" for window in sorted(windows))
    threads = _threads(first.threads)
    notes = [
        f"{FRONT_MARK} no other file is at once no larger, no slower and no less "
        "accurate, and better in one",
        f"ms: median of about {first.runs} runs on {window_s} s of audio; ms a "
        f"second of audio, load, first run and peak memory with {threads}",
        comparison.machine,
    ]
    if comparison.accuracy_note:
        notes.insert(1, comparison.accuracy_note)
    if comparison.at_chance:
        names = ", ".join(each.name for each in comparison.at_chance)
        notes.insert(
            1, f"no better than always {comparison.majority_label}, so no star: {names}"
        )
    return notes


def render(comparison: FileComparison) -> str:
    """Returns the page."""
    on_front = {candidate.name for candidate in comparison.front}
    strong = [
        place
        for place, each in enumerate(comparison.candidates)
        if each.name in on_front
    ]
    count = len(comparison.candidates)
    return pages.render(
        "benchmark.html",
        title="Exported files compared",
        lead=f"{count} file{'s' * (count != 1)}. Bold: no other file is better.",
        warnings=comparison.warnings,
        table=Table(
            header(comparison),
            [[tables.split(cell) for cell in row] for row in rows(comparison)],
            strong,
        ),
        notes=sentences(comparison),
        plots=_plots(comparison, on_front),
        files=[
            (str(number), str(each.path))
            for number, each in enumerate(comparison.candidates, start=1)
        ],
    )


def _plots(comparison: FileComparison, on_front: set[str]) -> list[Plot]:
    candidates = comparison.candidates

    def dots(
        x: Callable[[Candidate], float],
        y: Callable[[Candidate], float],
        area: Callable[[Candidate], float],
    ) -> list[Dot]:
        return [
            Dot(x(each), y(each), area(each), each.name in on_front)
            for each in candidates
        ]

    def megabytes(each: Candidate) -> float:
        return each.file_bytes / 1e6

    def milliseconds(each: Candidate) -> float:
        return 1e3 * each.latency_s

    def quality(each: Candidate) -> float:
        return each.quality or 0.0

    size, time = "file, MB (log)", "median run, ms (log)"
    if not comparison.metrics:
        return [
            plots.trade_off(
                "Latency over file size",
                dots(megabytes, milliseconds, lambda _: 1.0),
                size,
                time,
                "Accuracy is not known: no clips were given.",
                is_y_a_cost=True,
            )
        ]
    accuracy = METRIC_NAMES[METRIC_OF_TASK[candidates[0].task]]
    return [
        plots.trade_off(
            "Accuracy over file size",
            dots(megabytes, quality, milliseconds),
            size,
            accuracy,
            "A larger dot takes longer.",
        ),
        plots.trade_off(
            "Accuracy over latency",
            dots(milliseconds, quality, megabytes),
            time,
            accuracy,
            "A larger dot is a larger file.",
        ),
    ]


def _cells(candidate: Candidate, comparison: FileComparison) -> list[str]:
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


def _threads(count: int) -> str:
    return f"{count} thread" + ("s" if count != 1 else "")
