"""Text output: the analysis of a file, the description of a model, speeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cry_lite.spec import ModelSpec
from cry_lite.streams import in_one_line

if TYPE_CHECKING:
    from cry_lite.detector import Analysis, Analyzer
    from cry_lite.speed import Speed

_LABELS_SHOWN = 12


def analysis_lines(analysis: Analysis, spec: ModelSpec) -> list[str]:
    """Returns a summary line for one file, then a line per event and note.

    Times are seconds, `0.0-5.0 s`, or hours, minutes and seconds in a file of a
    minute or more.
    """
    found = _summary(analysis, spec)
    length = rough_duration(analysis.duration_s)
    lines = [f"{in_one_line(analysis.path)}: {length}, {found}"]
    for event in analysis.events:
        what = "crying" if spec.task == "detect" else event.label
        if analysis.duration_s < 60:
            when = f"{event.start_s:.1f}-{event.end_s:.1f} s"
        else:
            when = f"{clock(event.start_s)}-{clock(event.end_s)}"
        lines.append(f"  {what} {when} (peak {event.peak:.2f})")
    lines.extend(f"  note: {note}" for note in analysis.notes)
    return lines


def _summary(analysis: Analysis, spec: ModelSpec) -> str:
    """Returns the answer; of a detector without events, also score and threshold."""
    count = len(analysis.events)
    if spec.positive_label is None:
        reason = f"{analysis.label} {analysis.score:.2f}"
        return reason if count else f"no clear reason (highest: {reason})"
    if count:
        total_s = sum(event.end_s - event.start_s for event in analysis.events)
        noun = "episode" if count == 1 else "episodes"
        return f"{count} crying {noun}, {rough_duration(total_s)} in all"
    score = float(analysis.clip_scores[spec.labels.index(spec.positive_label)])
    threshold = spec.decision.onset_threshold
    for digits in range(2, 8):  # as many as are needed to see a difference
        reached, needed = f"{score:.{digits}f}", f"{threshold:.{digits}f}"
        if reached != needed:
            return f"no crying (score {reached}, threshold {needed})"
    return "no crying"


def speed_lines(paths: Sequence[str], speeds: Sequence[Speed]) -> list[str]:
    """Returns three lines per file: its path, speed, load time and memory."""
    lines = []
    for path, speed in zip(paths, speeds, strict=True):
        times = speed.window_s / speed.median_s
        lines += [
            path,
            f"  {speed.window_s:g} s of audio in {1e3 * speed.median_s:.1f} ms "
            f"({times:.0f} times faster than real time), 95 % of runs within "
            f"{1e3 * speed.slow_s:.1f} ms",
            f"  loaded in {1e3 * speed.load_s:.0f} ms, first run "
            f"{1e3 * speed.first_s:.0f} ms, peak memory {speed.peak_bytes / 1e6:.0f} "
            f"MB, threads {speed.threads}",
        ]
    return lines


def model_lines(analyzer: Analyzer, path: str, size_bytes: int) -> list[str]:
    """Returns the lines for one model: path, input, labels, decision, provenance."""
    spec, decision = analyzer.spec, analyzer.spec.decision
    shown = ", ".join(spec.labels[:_LABELS_SHOWN])
    if len(spec.labels) > _LABELS_SHOWN:
        shown += f", ... ({len(spec.labels)} in all)"
    if spec.task == "detect":
        task = f"detects crying ({spec.positive_label})"
    else:
        task = "classifies the reason for crying"
    confirmation_s = decision.confirmation_s
    held = f" held for {confirmation_s:g} s" if confirmation_s > 0 else ""
    samples = analyzer.input_samples
    takes = f"{samples} samples" if samples else "any length"
    rows = [
        ("task", task),
        ("labels", shown),
        ("input", f"{spec.sample_rate_hz} Hz mono, {takes}"),
        ("windows", f"{decision.window_s:g} s every {decision.hop_s:g} s"),
        (
            "events",
            f"start at {decision.onset_threshold:g}{held}, end below "
            f"{decision.offset_threshold:g}, median over {decision.smoothing_windows}, "
            f"at least {decision.min_event_s:g} s, gaps under "
            f"{decision.max_gap_s:g} s joined",
        ),
        ("size", f"{size_bytes / 1e6:.2f} MB"),
        ("sha256", f"{analyzer.metadata.flatbuffer_sha256} (checked)"),
    ]
    rows += list(analyzer.metadata.card.items())
    rows += [(name, str(value)) for name, value in analyzer.metadata.provenance.items()]
    width = max(len(name) for name, _ in rows)
    return [path] + [f"  {name:<{width}}  {value}" for name, value in rows]


def card_lines(card: Mapping[str, Any]) -> list[str]:
    """Returns the lines for an included detector, by its card and path."""
    default = " (used where no model is named)" if card["is_default"] else ""
    rows = [
        ("size", f"{card['bytes'] / 1e6:.2f} MB"),
        ("sha256", card["sha256"]),
        ("licence", card["licence"]),
    ]
    for source in card["sources"]:
        rows.append(("trained on", f"{source['name']} ({source['licence']})"))
    for figure in card["figures"]:
        rows.append(("measured", _figure(figure)))
    rows += [("limits", sentence) for sentence in card["limits"]]
    rows.append(("file", card["path"]))
    width = max(len(name) for name, _ in rows)
    return [f"{card['name']}{default}: {card['summary']}"] + [
        f"  {name:<{width}}  {value}" for name, value in rows
    ]


def _figure(figure: Mapping[str, Any]) -> str:
    """Returns a figure with what it was measured on."""
    text = f"{figure['name']} {figure['value']:g}"
    if figure.get("low") is not None and figure.get("high") is not None:
        text += f" ({figure['low']:g} to {figure['high']:g})"
    size = [f"n = {figure['n']:,}"] if figure.get("n") is not None else []
    if figure.get("hours") is not None:
        size.append(f"{figure['hours']:g} h")
    return f"{text}, {', '.join([*size, figure['on']])}"


def rough_duration(seconds: float) -> str:
    """Returns a rounded duration: `0.5 s`, `31 s`, `6 min`, `8.0 h`."""
    if seconds < 9.5:
        return f"{seconds:.2g} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def duration(seconds: float) -> str:
    """Returns `5.0 s`, or `8:00:00.0` from a minute on."""
    return f"{seconds:.1f} s" if seconds < 60 else clock(seconds)


def clock(seconds: float) -> str:
    """Returns hours, minutes and seconds: `1:02:03.4`."""
    tenths = round(seconds * 10)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{tenths // 10:02}.{tenths % 10}"
