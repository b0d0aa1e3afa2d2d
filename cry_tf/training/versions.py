"""Clips and their augmented copies, counted through."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class Versions:
    """Numbers clips and copies: the clips first, then all copies, clip by clip.

    Args:
        clips: How many there are.
        copies: Of each clip; empty for none at all.

    Attributes:
        clip: Int array `(versions,)`, the clip of each.
    """

    def __init__(self, clips: int, copies: Sequence[int] = ()):
        counts = np.array(copies if len(copies) else np.zeros(clips), int)
        ends = clips + np.cumsum(counts)
        self._of_clip = [
            np.append(clip, np.arange(end - count, end))
            for clip, (end, count) in enumerate(zip(ends, counts, strict=True))
        ]
        self.clip = np.append(np.arange(clips), np.repeat(np.arange(clips), counts))

    def of(self, clips: np.ndarray) -> np.ndarray:
        """Returns the numbers of these clips and of their copies."""
        return np.concatenate([self._of_clip[clip] for clip in clips])
