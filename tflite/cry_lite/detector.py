"""From a sound file to events: the model, its settings and the decision together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cry_lite.decision import decide
from cry_lite.errors import ModelFileError
from cry_lite.events import Event
from cry_lite.interpreter import LiteRTModel
from cry_lite.metadata import Metadata, describe_source, read_metadata
from cry_lite.sound_file import SoundStream
from cry_lite.spec import ModelSpec
from cry_lite.waveform import check_waveform
from cry_lite.windows import holds_window, score_windows, window_samples_of


@dataclass(frozen=True, kw_only=True, eq=False)
class Analysis:
    """Scores and events of a sound file.

    Attributes:
        path: The path of the file, as given.
        duration_s: Length of the file, seconds.
        source_sample_rate_hz: Sample rate of the file, Hz.
        sample_rate_hz: Sample rate of the model, Hz. The sound is resampled to it.
        labels: Names of the scores.
        windows: Float64 `(windows, 2)`: start and end of each window, seconds.
        scores: Float32 `(windows, labels)`.
        label: The answer for the whole file. `detect`: the positive label if there
            is an event, however long the file is. `reason`: the label with the
            highest mean score.
        positive_label: The label that a detector detects; None for `reason`.
        clip_scores: Float32 `(labels,)`, the file's score of each label. `detect`:
            the positive label has the highest onset threshold at which there would
            be an event, see `cry_lite.decision`. `reason`: means over the windows.
        events: The detected events, in order of time.
        notes: Sentences: what was done to the sound or is doubtful in it.
    """

    path: str
    duration_s: float
    source_sample_rate_hz: int
    sample_rate_hz: int
    labels: tuple[str, ...]
    windows: np.ndarray
    scores: np.ndarray
    label: str
    positive_label: str | None = None
    clip_scores: np.ndarray
    events: tuple[Event, ...]
    notes: tuple[str, ...]

    @property
    def score(self) -> float:
        """The score of the whole file, 0 to 1.

        `detect`: of the positive label, whether it is the answer or not: the answer
        is the positive label where this reaches the onset threshold. `reason`: of
        `label`.
        """
        scored = self.label if self.positive_label is None else self.positive_label
        return float(self.clip_scores[self.labels.index(scored)])

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON types: all fields except the scores of single windows."""
        scores = [round(float(score), 6) for score in self.clip_scores]
        return {
            "path": self.path,
            "duration_s": round(self.duration_s, 3),
            "source_sample_rate_hz": self.source_sample_rate_hz,
            "sample_rate_hz": self.sample_rate_hz,
            "label": self.label,
            "score": round(self.score, 6),
            "scores": dict(zip(self.labels, scores, strict=True)),
            "events": [event.to_dict() for event in self.events],
            "notes": list(self.notes),
        }


class Analyzer:
    """Detects events in sound files with a `.tflite` that cry-tf exported.

    Not thread-safe: create one per thread.

    Args:
        path: The `.tflite` file, with labels and settings inside.
        num_threads: Int >= 1, threads for scoring. Default: 1.

    Attributes:
        spec: Labels, front end and decision, read from the file.
        metadata: The spec, provenance and digest.
        model: The network, window `(samples,)` to scores `(labels,)`.

    Raises:
        ModelFileError: If the file is missing, damaged, without settings, or its
            network does not fit its settings.
        ValueError: If `num_threads` is not a positive int.

    Example:
        >>> analyzer = Analyzer("cry.tflite")
        >>> for event in analyzer.analyze_file("night.wav").events:
        ...     print(event.label, event.start_s, event.end_s)
    """

    def __init__(self, path: str | os.PathLike[str], num_threads: int = 1) -> None:
        # First: a damaged network can crash the C++ code that runs it.
        self.metadata: Metadata = read_metadata(path)
        self.spec: ModelSpec = self.metadata.spec
        self._name = describe_source(path)
        self.model = LiteRTModel(path, num_threads)
        self._window_samples, _ = window_samples_of(self.spec)
        self._check_fit()
        self.model.prepare(self._window_samples)

    @property
    def input_samples(self) -> int | None:
        """Fixed input length of the network, samples; None if it takes any length."""
        return self.model.input_samples

    def scores(self, waveform: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Scores the windows of a waveform.

        Args:
            waveform: Float array `(samples,)` in [-1, 1] at the model's rate
                `spec.sample_rate_hz`, at least one sample.

        Returns:
            Starts and ends of the windows, float64 `(windows,)`, seconds, and the
            scores, float32 `(windows, labels)`.

        Raises:
            ValueError: If `waveform` is empty, not 1-D, not float, not finite, or
                more than 24 dB beyond full scale.
            ModelFileError: If the network fails.
        """
        waveform = np.asarray(waveform)
        if waveform.ndim != 1 or not len(waveform):
            raise ValueError(
                "waveform must be float (samples,), at least one sample. Received: "
                f"shape={waveform.shape}."
            )
        check_waveform(waveform)
        return self.score_blocks([waveform.astype(np.float32, copy=False)])

    def score_blocks(
        self, blocks: Iterable[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Scores a recording that comes in blocks, as a microphone gives it.

        Args:
            blocks: Float32 arrays `(samples,)` in [-1, 1] at the model's rate, which
                joined are the recording.

        Returns:
            As `scores`; no windows if there is no sample.

        Raises:
            ModelFileError: If the network fails.
        """
        starts, ends, scores = self._score(blocks)
        rate_hz = self.spec.sample_rate_hz
        return starts / rate_hz, ends / rate_hz, scores

    def analyze_file(
        self,
        path: str | os.PathLike[str],
        progress: Callable[[float], None] | None = None,
    ) -> Analysis:
        """Analyzes a whole file of any length, in blocks.

        Args:
            path: The sound file.
            progress: Called repeatedly with the share that is done, 0 to 1.

        Returns:
            Scores, events and notes.

        Raises:
            SoundFileError: If the file cannot be used.
            ModelFileError: If the network fails.
        """
        rate_hz = self.spec.sample_rate_hz
        with SoundStream(path, rate_hz) as sound:
            blocks = sound if progress is None else _reported(sound, progress)
            starts, ends, scores = self._score(blocks)
        duration_s = float(ends[-1] / rate_hz)
        windows = np.stack([starts, ends], axis=1) / rate_hz
        decision = decide(windows[:, 0], windows[:, 1], scores, self.spec, duration_s)
        return Analysis(
            path=os.fspath(path),
            duration_s=duration_s,
            source_sample_rate_hz=sound.info.sample_rate_hz,
            sample_rate_hz=rate_hz,
            labels=self.spec.labels,
            windows=windows,
            scores=scores,
            label=decision.label,
            positive_label=self.spec.positive_label,
            clip_scores=decision.scores,
            events=decision.events,
            notes=sound.notes(),
        )

    def _score(
        self, blocks: Iterable[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns starts and ends in samples, and the scores of the windows."""
        starts, ends, scores = score_windows(blocks, self.spec, self.model)
        is_bad = ~np.isfinite(scores).all(axis=1)
        if is_bad.any():
            start_s = starts[is_bad.argmax()] / self.spec.sample_rate_hz
            raise ModelFileError(
                f"{self._name} gave a score that is not a number at {start_s:.1f} s. "
                "Export it again."
            )
        return starts, ends, scores

    def _check_fit(self) -> None:
        labels, outputs = len(self.spec.labels), self.model.num_outputs
        if labels != outputs:
            raise ModelFileError(
                f"{self._name} has {labels} labels but its network gives {outputs} "
                "scores. Export it again."
            )
        if not holds_window(self.model.input_samples, self.spec):
            raise ModelFileError(
                f"{self._name} is set to windows of {self._window_samples} samples but "
                f"its network takes {self.model.input_samples}. Export it again."
            )


def _reported(
    sound: SoundStream, progress: Callable[[float], None]
) -> Iterable[np.ndarray]:
    for block in sound:
        yield block
        progress(sound.share_read)
