"""Analyses a synthetic night and counts found cries and false alarms."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cry_lite.decision import decide
from cry_lite.detector import Analysis, Analyzer
from cry_lite.events import Event, to_audacity, to_csv, write_text
from cry_tf.reports import pages
from cry_tf.reports.timeline import timeline
from cry_tf.synthesis.night import Night, TrueEvent
from cry_tf.synthesis.recording import write_wav
from cry_tf.synthesis.voice import SAMPLE_RATE_HZ

NIGHT = "night.wav"
"""Name of the night's recording."""


@dataclass(frozen=True, kw_only=True)
class NightScore:
    """The events found in a night, compared with the truth.

    Attributes:
        duration_s: Length of the night, seconds.
        cry_s: Seconds of it that are cry.
        cries: Number of cry episodes.
        found: How many of them overlap an event.
        covered_s: Seconds of cry under an event.
        events: Number of events found.
        false_alarms: Events that overlap no cry.
        false_alarm_labels: What is there instead, one entry a false alarm: the
            sounds under it, `background` where there were none.
        reasons: For each cry found, the true reason and the one answered.
    """

    duration_s: float
    cry_s: float
    cries: int
    found: int
    covered_s: float
    events: int
    false_alarms: int
    false_alarm_labels: tuple[str, ...]
    reasons: tuple[tuple[str, str], ...] = ()

    @property
    def hours_without_cry(self) -> float:
        """Hours in which an event is a false alarm."""
        return max(self.duration_s - self.cry_s, 0) / 3600

    @property
    def false_alarms_per_hour(self) -> float | None:
        """False alarms in an hour without a cry, None if there is no such time."""
        hours = self.hours_without_cry
        return self.false_alarms / hours if hours > 0 else None

    def to_dict(self) -> dict[str, Any]:
        """Returns the figures as JSON types."""
        return {
            "duration_s": round(self.duration_s, 3),
            "cry_s": round(self.cry_s, 3),
            "cries": self.cries,
            "found": self.found,
            "covered_s": round(self.covered_s, 3),
            "events": self.events,
            "false_alarms": self.false_alarms,
            "false_alarms_per_hour": self.false_alarms_per_hour,
            "false_alarm_labels": list(self.false_alarm_labels),
            "reasons": [
                {"true": true, "answered": answered} for true, answered in self.reasons
            ],
        }


def overlap_s(one: Event | TrueEvent, other: Event | TrueEvent) -> float:
    """Returns how long two events last together, seconds."""
    return max(0.0, min(one.end_s, other.end_s) - max(one.start_s, other.start_s))


def score_night(
    night: Night,
    events: Sequence[Event],
    reasons: Sequence[tuple[str, str]] = (),
) -> NightScore:
    """Compares events with the truth.

    A cry is found if an event overlaps it, an event is a false alarm if it
    overlaps no cry.

    Args:
        night: The truth; its cries do not overlap one another.
        events: What the detector found.
        reasons: Pairs of the true and the answered reason, passed on.
    """
    cries = night.cries
    found = [any(overlap_s(cry, event) > 0 for event in events) for cry in cries]
    false = [e for e in events if not any(overlap_s(e, cry) > 0 for cry in cries)]
    covered_s = sum(overlap_s(cry, event) for cry in cries for event in events)
    return NightScore(
        duration_s=night.duration_s,
        cry_s=sum(cry.end_s - cry.start_s for cry in cries),
        cries=len(cries),
        found=int(np.sum(found)),
        covered_s=covered_s,
        events=len(events),
        false_alarms=len(false),
        false_alarm_labels=tuple(_sounds_under(night, event) for event in false),
        reasons=tuple(reasons),
    )


def _sounds_under(night: Night, event: Event) -> str:
    under = {e.label for e in night.events if overlap_s(e, event) > 0}
    return "+".join(sorted(under)) or "background"


def write_truth(path: Path, night: Night) -> None:
    """Writes what was in the night as CSV."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("start_s", "end_s", "label", "reason"))
        for event in night.events:
            times = (f"{event.start_s:.3f}", f"{event.end_s:.3f}")
            writer.writerow((*times, event.label, event.reason))


def analyze_night(
    folder: Path,
    night: Night,
    detector: Path,
    namer: Path | None,
    is_synthetic: bool,
    warn: Callable[[str], None],
) -> NightScore:
    """Analyses a night with a detector's file, and classifies the cries found.

    Writes the night and its truth, what was found, and the picture of both.

    Args:
        folder: Where to write.
        night: The recording.
        detector: The `.tflite` that finds cries.
        namer: The `.tflite` that classifies reasons, or None.
        is_synthetic: Whether the picture is marked as synthetic.
        warn: Takes a line if the picture cannot be drawn.

    Returns:
        The events found, compared with the truth.
    """
    wav = folder / NIGHT
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
