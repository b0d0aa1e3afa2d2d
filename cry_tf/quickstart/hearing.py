"""Listens to a night with the files that were exported, as a device would."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cry_lite.decision import decide
from cry_lite.detector import Analysis, Analyzer
from cry_lite.events import to_audacity, to_csv, write_text
from cry_tf.quickstart.night_score import (
    NightScore,
    overlap_s,
    score_night,
    write_truth,
)
from cry_tf.reports import pages
from cry_tf.reports.timeline import timeline
from cry_tf.synthesis.night import Night
from cry_tf.synthesis.recording import write_wav
from cry_tf.synthesis.voice import SAMPLE_RATE_HZ


def hear_night(
    folder: Path,
    night: Night,
    detector: Path,
    namer: Path | None,
    is_synthetic: bool,
    warn: Callable[[str], None],
) -> NightScore:
    """Analyses a night with a detector's file, and names the cries it finds.

    Writes the night and its truth, what was found, and the picture of both.

    Args:
        folder: Where to write.
        night: What there is to hear.
        detector: The `.tflite` that finds cries.
        namer: The `.tflite` that says why, None if there is none.
        is_synthetic: Whether the picture says so.
        warn: Takes a line if the picture cannot be drawn.

    Returns:
        What was found, judged.
    """
    wav = folder / "night.wav"
    write_wav(wav, night.waveform)
    write_truth(folder / "night_truth.csv", night)
    analyzer = Analyzer(detector)
    analysis = analyzer.analyze_file(wav)
    reasons = _name_reasons(night, analysis, Analyzer(namer)) if namer else []
    score = score_night(night, analysis.events, reasons)
    write_text(folder / "night_found.csv", to_csv(analysis.events))
    write_text(folder / "night_found.txt", to_audacity(analysis.events))
    pages.write(
        folder / "night.png",
        lambda: timeline(night, analysis, analyzer.spec, is_synthetic),
        warn,
    )
    return score


def _name_reasons(
    night: Night, analysis: Analysis, namer: Analyzer
) -> list[tuple[str, str]]:
    """Answers the reason of each found cry from the sound under its event."""
    named = []
    for cry in night.cries:
        over = [event for event in analysis.events if overlap_s(cry, event) > 0]
        if not over or cry.reason not in namer.spec.labels:
            continue
        best = max(over, key=lambda event: overlap_s(cry, event))
        start, end = (
            round(moment * SAMPLE_RATE_HZ) for moment in (best.start_s, best.end_s)
        )
        starts, ends, scores = namer.scores(night.waveform[start:end])
        answer = decide(starts, ends, scores, namer.spec, float(ends[-1]))
        named.append((cry.reason, answer.label))
    return named
