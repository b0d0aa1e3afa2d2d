"""Events, and the file formats that other programs open them in."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cry_lite import atomic


@dataclass(frozen=True, kw_only=True)
class Event:
    """A stretch of sound with one label.

    Attributes:
        start_s: Where it starts, seconds from the start of the sound.
        end_s: Where it ends, seconds.
        label: Label of the event.
        peak: Highest score of the label over the windows of the event.
        mean: Mean score of the label over the windows of the event.
    """

    start_s: float
    end_s: float
    label: str
    peak: float
    mean: float

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON types: times to the millisecond, scores to six digits."""
        return {
            "start_s": round(self.start_s, 3),
            "end_s": round(self.end_s, 3),
            "label": self.label,
            "peak": round(self.peak, 6),
            "mean": round(self.mean, 6),
        }


def to_csv(events: Sequence[Event]) -> str:
    """Returns a table with a header row, also when there are no events."""
    import csv
    import io

    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("start_s", "end_s", "label", "peak", "mean"))
    for event in events:
        table.writerow(
            (f"{event.start_s:.3f}", f"{event.end_s:.3f}", event.label)
            + (f"{event.peak:.6f}", f"{event.mean:.6f}")
        )
    return text.getvalue()


def to_audacity(events: Sequence[Event]) -> str:
    """Returns an Audacity label track (File > Import > Labels)."""
    return "".join(
        f"{event.start_s:.6f}\t{event.end_s:.6f}\t{_one_field(event.label)}\n"
        for event in events
    )


def to_raven(events: Sequence[Event], max_hz: float) -> str:
    """Returns a Raven selection table.

    Args:
        events: The events.
        max_hz: Top of the selections, Hz: half the model's sample rate.
    """
    header = (
        ("Selection", "View", "Channel", "Begin Time (s)", "End Time (s)")
        + ("Low Freq (Hz)", "High Freq (Hz)", "Label", "Peak", "Mean")
    )  # fmt: skip
    lines = ["\t".join(header)]
    for number, event in enumerate(events, start=1):
        lines.append(
            f"{number}\tSpectrogram 1\t1\t{event.start_s:.6f}\t{event.end_s:.6f}\t"
            f"0.0\t{max_hz:.1f}\t{_one_field(event.label)}\t"
            f"{event.peak:.6f}\t{event.mean:.6f}"
        )
    return "".join(f"{line}\n" for line in lines)


def write_text(
    path: str | os.PathLike[str], text: str, overwrite: bool = False
) -> None:
    """Writes a whole file or none: into a part file beside it, then renamed.

    Args:
        path: The file to write, in a folder that exists.
        text: Its content, written as UTF-8.
        overwrite: Replace a file that exists.

    Raises:
        FileExistsError: If `path` exists and `overwrite` is False.
        OSError: If it cannot be written.
    """
    if os.path.exists(path) and not overwrite:
        raise FileExistsError(f"{path} exists already. Overwrite it or name another.")
    atomic.write_bytes(path, text.encode("utf-8", "backslashreplace"))


def _one_field(label: str) -> str:
    """Returns the label without the tabs and breaks that separate fields."""
    return " ".join(label.split())
