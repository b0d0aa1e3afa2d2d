"""The figures of one exported file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cry_lite.speed import Speed
from cry_tf.evaluation.figures import Estimate

METRIC_OF_TASK = {"detect": "auc", "reason": "balanced_accuracy"}
"""The figure that files are compared by. A detector's does not depend on its
threshold, which is set once and moves little when weights are quantised."""

METRIC_NAMES = {"auc": "AUC", "balanced_accuracy": "balanced accuracy"}


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One file and its figures.

    Attributes:
        path: The file.
        name: What tables call it; differs from that of every other candidate.
        file_bytes: Size of the file.
        gzip_bytes: Size compressed with gzip, as for a download.
        recipe: Export recipe that the file names; `""` if it names none.
        task: `detect` or `reason`.
        speeds: One entry a number of threads, the same for all candidates.
        accuracy: Figures by name, of `auc` and `balanced_accuracy`, on clips that
            were given; empty without clips.
    """

    path: Path
    name: str
    file_bytes: int
    gzip_bytes: int
    recipe: str
    task: str
    speeds: tuple[Speed, ...]
    accuracy: dict[str, Estimate]

    @property
    def quality(self) -> float | None:
        """The figure that files of this task are compared by, if it is known."""
        estimate = self.accuracy.get(METRIC_OF_TASK[self.task])
        return None if estimate is None else estimate.value

    @property
    def latency_s(self) -> float:
        """The shortest median time of a run over the numbers of threads, seconds."""
        return min(speed.median_s for speed in self.speeds)

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON types."""
        return {
            "file": str(self.path),
            "name": self.name,
            "bytes": self.file_bytes,
            "gzip_bytes": self.gzip_bytes,
            "recipe": self.recipe,
            "task": self.task,
            "speeds": [speed.to_dict() for speed in self.speeds],
            "accuracy": {
                name: {"value": each.value, "low": each.low, "high": each.high}
                for name, each in self.accuracy.items()
            },
        }


def front(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Returns the Pareto front: those that no other one beats, smallest file first.

    A candidate is beaten by one that is no larger, no slower and no less accurate,
    and better in one of the three. Latency counts to two digits, accuracy where every
    candidate has one.
    """
    counts_quality = all(candidate.quality is not None for candidate in candidates)

    def costs(candidate: Candidate) -> tuple[float, float, float]:
        quality = candidate.quality if counts_quality else None
        latency_s = float(f"{candidate.latency_s:.2g}")  # the rest is noise
        return candidate.file_bytes, latency_s, -(quality or 0.0)

    def beats(one: Candidate, other: Candidate) -> bool:
        pairs = list(zip(costs(one), costs(other), strict=True))
        return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)

    kept = [
        candidate
        for candidate in candidates
        if not any(beats(other, candidate) for other in candidates)
    ]
    return sorted(kept, key=costs)
