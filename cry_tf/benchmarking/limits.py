"""Limits of a device, and the best candidate within them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from cry_tf.benchmarking.candidate import Candidate

_UNITS = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000}
_UNITS |= {"ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30}


def parse_bytes(text: str) -> int:
    """Reads a size: `300k`, `1.5M`, `512Ki`, `150000`; a final B is allowed.

    Raises:
        ValueError: If it is no positive size.
    """
    found = re.fullmatch(r"([0-9]*\.?[0-9]+)\s*([kmg]?i?)b?", text.strip().lower())
    size = int(float(found[1]) * _UNITS.get(found[2], 0)) if found else 0
    if size < 1:
        raise ValueError(
            "A size must be positive bytes, such as 150000, 300k (thousand), 2M or "
            f"512Ki (1024). Received: {text!r}."
        )
    return size


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of a device.

    Attributes:
        max_bytes: Largest file, or None.
        max_latency_s: Longest median run, seconds, or None.
        max_memory_bytes: Most memory of the process, or None.
        threads: Number of threads of the latency measurement.
    """

    max_bytes: int | None = None
    max_latency_s: float | None = None
    max_memory_bytes: int | None = None
    threads: int = 1

    def __post_init__(self) -> None:
        """Checks every limit."""
        for name in ("max_bytes", "max_latency_s", "max_memory_bytes", "threads"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(
                    f"{name} must be positive. Received: {name}={value!r}."
                )

    def broken_by(self, candidate: Candidate) -> list[str]:
        """Returns which limits a candidate breaks, a few words each."""
        speed = next(s for s in candidate.speeds if s.threads == self.threads)
        broken = []
        if self.max_bytes is not None and candidate.file_bytes > self.max_bytes:
            broken.append(f"{candidate.file_bytes:,} bytes")
        if self.max_latency_s is not None and speed.median_s > self.max_latency_s:
            broken.append(f"{1e3 * speed.median_s:.1f} ms")
        limit = self.max_memory_bytes
        if limit is not None and speed.peak_bytes > limit:
            broken.append(f"{speed.peak_bytes / 1e6:.0f} MB of memory")
        return broken


def choose(candidates: Sequence[Candidate], limits: Limits) -> Candidate | None:
    """Returns the most accurate candidate within the limits.

    Between equals, and where accuracy is not known, the smaller file wins, then the
    faster one.

    Returns:
        The candidate, or None if none keeps the limits.
    """
    allowed = [each for each in candidates if not limits.broken_by(each)]
    return min(
        allowed,
        key=lambda each: (-(each.quality or 0.0), each.file_bytes, each.latency_s),
        default=None,
    )
