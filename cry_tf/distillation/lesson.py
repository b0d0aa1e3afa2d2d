"""What a student hears: labelled clips, unlabelled windows, copies of both."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from cry_tf.augment.policy import Policy
from cry_tf.data import decoding
from cry_tf.data.clip import Clip
from cry_tf.data.dataset import Dataset
from cry_tf.data.embedding_plan import EmbeddingPlan

# Waveforms are heard again in each epoch: augmenting takes longer than a step.
_KEPT_BYTES = 600_000_000


@dataclass(frozen=True)
class Lesson:
    """The clips of a distillation, the labelled ones first.

    Waveforms are kept in memory once they were made, 600 MB of them at most.

    Attributes:
        labelled: Clips with labels.
        windows: Clips without.
        policy: Makes the copies, or None.
        copies: Copies of each clip.
        seed: Draws them.
        max_seconds: The student hears the beginning of a longer clip.
        dataset: All clips. The label of a window means nothing.
        truth: Int32 `(clips,)`, -1 for a window.
    """

    labelled: Dataset
    windows: tuple[Clip, ...]
    policy: Policy | None
    copies: int
    seed: int
    max_seconds: float
    dataset: Dataset = field(init=False)
    truth: np.ndarray = field(init=False)
    _plan: EmbeddingPlan = field(init=False, repr=False)
    _kept: dict[tuple[int, int, int], np.ndarray] = field(
        init=False, repr=False, default_factory=dict
    )
    _used: list[int] = field(init=False, repr=False, default_factory=lambda: [0])

    def __post_init__(self) -> None:
        """Joins the clips."""
        clips = (*self.labelled.clips, *self.windows)
        unknown = np.full(len(self.windows), -1, np.int32)
        put = object.__setattr__
        put(self, "dataset", Dataset(clips, self.labelled.labels))
        put(self, "truth", np.concatenate([self.labelled.label_indices, unknown]))
        put(
            self,
            "_plan",
            EmbeddingPlan(clips, None, self.policy, self.copies, self.seed),
        )

    @property
    def versions(self) -> int:
        """How many versions a clip has: itself and its copies."""
        return 1 + self.copies

    @property
    def window_places(self) -> np.ndarray:
        """Places of the windows in `dataset`."""
        return np.arange(len(self.labelled), len(self.dataset))

    def waveform(self, place: int, version: int, sample_rate_hz: int) -> np.ndarray:
        """Returns a version of a clip, float32 `(samples,)`; version 0 is itself.

        Raises:
            OSError: If the file cannot be decoded.
        """
        key = (place, version, sample_rate_hz)
        if key in self._kept:
            return self._kept[key]
        entry = self._plan.entries[self._plan.keys[place][version]]
        waveform = self._plan.waveform(entry, sample_rate_hz)
        waveform = decoding.cut(waveform, sample_rate_hz, self.max_seconds).copy()
        if self._used[0] + waveform.nbytes <= _KEPT_BYTES:
            self._used[0] += waveform.nbytes
            self._kept[key] = waveform
        return waveform
