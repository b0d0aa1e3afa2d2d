"""The report of a personal model or of a study: one HTML file, nothing outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from cry_tf.data.grouping import plural
from cry_tf.evaluation.figures import Estimate
from cry_tf.evaluation.page import facts, figure, page, table
from cry_tf.personal import plots
from cry_tf.personal.comparison import Comparison, Row


@dataclass(frozen=True)
class PersonalReport:
    """What a report says.

    Attributes:
        title: First line.
        lead: A sentence: which run, which clips.
        comparisons: The most trustworthy first.
        warnings: Sentences that the reader must know first.
        overall: `metrics.json` of the run: how it does with unseen infants.
        figures: Further drawings: title, SVG, caption.
        facts: How it was made: name and value.
    """

    title: str
    lead: str
    comparisons: tuple[Comparison, ...]
    warnings: tuple[str, ...] = ()
    overall: dict[str, Any] | None = None
    figures: tuple[tuple[str, str, str], ...] = ()
    facts: tuple[tuple[str, str], ...] = ()


def render(report: PersonalReport) -> str:
    """Returns the report as one HTML document."""
    judged = [entry for entry in report.comparisons if entry.rows]
    empty = [entry for entry in report.comparisons if not entry.rows]
    sections = [
        f"<h1>{escape(report.title)}</h1>",
        f'<p class="lead">{escape(report.lead)}</p>',
        _notice(report.warnings),
        *(_comparison(entry) for entry in judged),
        _notes(judged),
        _not_judged(empty),
        _each_infant(judged),
        _overall(report.overall),
        _figures(report.figures),
        "<h2>How it was made</h2>",
        facts(report.facts),
    ]
    return page(report.title, "\n".join(section for section in sections if section))


def _notice(sentences: Sequence[str]) -> str:
    if not sentences:
        return ""
    paragraphs = "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)
    return f'<div class="notice">{paragraphs}</div>'


def _comparison(entry: Comparison) -> str:
    header = ["", "accuracy", "balanced accuracy", "macro-F1", "p", "gained / lost"]
    strong = [i for i, row in enumerate(entry.rows) if row.p_value is not None]
    rows = [_cells(row) for row in entry.rows]
    count = f"{plural(entry.clips, 'clip')} of {plural(len(entry.infants), 'infant')}"
    if entry.answers > entry.clips:
        count += f", {entry.answers:,} answers"
    sentence = f"{count}: {entry.sentence}."
    if entry.not_judged:
        sentence += f" {entry.not_judged:,} more could not be judged: nothing that may "
        sentence += "be learned from is left."
    drawing = figure("Right answers", plots.accuracy_bars(entry))
    return (
        f"<h2>{escape(entry.title)}</h2><p>{escape(sentence)}</p>"
        f'{table(header, rows, strong)}<div class="figures">{drawing}</div>'
    )


def _cells(row: Row) -> list[str]:
    pair = "–"
    if row.gained is not None and row.sign_p_value is not None:
        pair = f"{row.gained} / {row.lost}<small>p {_p(row.sign_p_value)}</small>"
    return [
        escape(row.name),
        _estimate(row.accuracy),
        _estimate(row.balanced_accuracy),
        _estimate(row.macro_f1),
        "–" if row.p_value is None else _p(row.p_value).removeprefix("= "),
        pair,
    ]


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def _notes(judged: Sequence[Comparison]) -> str:
    if not judged:
        return ""
    return (
        '<p class="note">Small figures: 95 % interval, bootstrap of whole infants (of '
        "clips, where there is one infant). The run of an unseen infant has learned "
        "from none of its clips. p: share of the shuffles of the labels within each "
        "infant after which the personal model is right as often. An infant’s labels "
        "come in sessions, so p is too small where near-copies are left in, and rather "
        "too large where they are left out. Gained / lost: clips right here and wrong "
        "by the majority within the infant, and the reverse; p of an exact two-sided "
        "binomial test. The majority within the infant is the label that the infant "
        "has most often, the judged clip counted: the honest row to beat, as most of "
        "what a personal model gains over the run may be the infant’s habits.</p>"
    )


def _not_judged(empty: Sequence[Comparison]) -> str:
    names = "; ".join(entry.title for entry in empty)
    return f"<p>Too few clips for: {escape(names)}.</p>" if names else ""


def _each_infant(judged: Sequence[Comparison]) -> str:
    chosen = [entry for entry in judged if 1 < len(entry.infants) <= 60]
    drawn = [
        (f"{entry.title}", plots.infant_dots(entry), _dots_caption(entry))
        for entry in chosen[:2]
    ]
    return f"<h2>Each infant</h2>{_figures(drawn)}" if drawn else ""


def _dots_caption(entry: Comparison) -> str:
    return f"n: clips judged. Seen: {entry.rows[0].name.split(', ', 1)[1]}."


def _figures(drawn: Sequence[tuple[str, str, str]]) -> str:
    if not drawn:
        return ""
    return f'<div class="figures">{"".join(figure(*entry) for entry in drawn)}</div>'


def _overall(metrics: dict[str, Any] | None) -> str:
    if metrics is None:
        return ""
    header = ["", "accuracy", "balanced accuracy", "macro-F1"]
    rows = [
        [escape(name)]
        + [
            _estimate(Estimate(**metrics[key][figure]))
            for figure in ("accuracy", "balanced_accuracy", "macro_f1")
        ]
        for name, key in (
            ("unseen infant, the run", "model"),
            (f"always “{metrics['majority_label']}”", "majority"),
        )
    ]
    return (
        "<h2>Unseen infant, every clip of the run</h2>"
        f"<p>{metrics['clips']:,} clips in {metrics['groups']:,} groups, each scored "
        f"by a model that never heard its group.</p>{table(header, rows, (0,))}"
    )


def _estimate(estimate: Estimate) -> str:
    if estimate.value is None:
        return "–"
    text = f"{estimate.value:.3f}"
    if estimate.low is not None and estimate.high is not None:
        text += f"<small>{estimate.low:.3f} – {estimate.high:.3f}</small>"
    return text
