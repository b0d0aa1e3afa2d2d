"""From a sound file to events: the model, its settings and the decision together."""

from __future__ import annotations

import array
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cry_lite.decision import find_events
from cry_lite.errors import ModelFileError
from cry_lite.events import Event
from cry_lite.interpreter import LiteRTModel
from cry_lite.metadata import Metadata, read_metadata
from cry_lite.sound_file import SoundStream
from cry_lite.spec import ModelSpec
from cry_lite.windows import stream_windows


@dataclass(frozen=True, kw_only=True, eq=False)
class Analysis:
    """What a model heard in a sound file.

    Attributes:
        path: The file, as it was named.
        duration_s: Its length, seconds.
        source_sample_rate_hz: Its rate, Hz; the model's own is
            `sample_rate_hz`, and the sound was resampled if they differ.
        sample_rate_hz: Rate that the model hears, Hz.
        labels: Names of the scores.
        windows: Float64 `(windows, 2)`: start and end of each window, seconds.
        scores: Float32 `(windows, labels)`.
        clip_scores: Float32 `(labels,)`, the mean over the windows.
        events: What was heard when, in order of time.
        notes: What was done to the sound or is doubtful in it, a sentence each.
    """

    path: str
    duration_s: float
    source_sample_rate_hz: int
    sample_rate_hz: int
    labels: tuple[str, ...]
    windows: np.ndarray
    scores: np.ndarray
    clip_scores: np.ndarray
    events: tuple[Event, ...]
    notes: tuple[str, ...]

    @property
    def label(self) -> str:
        """The label with the highest score over the whole file."""
        return self.labels[int(self.clip_scores.argmax())]

    @property
    def score(self) -> float:
        """The score of `label` over the whole file."""
        return float(self.clip_scores.max())

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON types: everything but the scores of single windows."""
        mean = [round(float(score), 6) for score in self.clip_scores]
        return {
            "path": self.path,
            "duration_s": round(self.duration_s, 3),
            "source_sample_rate_hz": self.source_sample_rate_hz,
            "sample_rate_hz": self.sample_rate_hz,
            "label": self.label,
            "score": round(self.score, 6),
            "scores": dict(zip(self.labels, mean, strict=True)),
            "events": [event.to_dict() for event in self.events],
            "notes": list(self.notes),
        }


class Analyzer:
    """Hears sound files with a `.tflite` that cry-tf exported.

    Not for two threads at once: give each its own.

    Args:
        path: The `.tflite` file, with labels and settings inside.
        num_threads: Int > 0, threads that scoring may use.

    Attributes:
        spec: Labels, front end and decision, as read from the file.
        metadata: The same with provenance and digest.

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
        # First of all: a damaged network must not reach the C++ that runs it.
        self.metadata: Metadata = read_metadata(path)
        self.spec: ModelSpec = self.metadata.spec
        self._name = os.fspath(path)
        self._model = LiteRTModel(path, num_threads)
        rate_hz, decision = self.spec.sample_rate_hz, self.spec.decision
        self._window_samples = max(1, round(decision.window_s * rate_hz))
        self._hop_samples = max(1, round(decision.hop_s * rate_hz))
        self._check_fit()
        self._model.prepare(self._window_samples)

    @property
    def input_samples(self) -> int | None:
        """The fixed length that the network takes, None if it may be any."""
        return self._model.input_samples

    def scores(self, waveform: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Scores the windows of a waveform.

        Args:
            waveform: Float array `(samples,)` in [-1, 1] at the model's rate
                `spec.sample_rate_hz`, at least one sample.

        Returns:
            Starts and ends of the windows, float64 `(windows,)`, seconds, and the
            scores, float32 `(windows, labels)`.

        Raises:
            ValueError: If `waveform` is empty, not 1-D, not float, or not finite.
            ModelFileError: If the network fails.
        """
        waveform = np.asarray(waveform)
        if waveform.ndim != 1 or not len(waveform) or waveform.dtype.kind != "f":
            raise ValueError(
                "waveform must be float (samples,), at least one sample. Received: "
                f"shape={waveform.shape}, dtype={waveform.dtype}. Divide 16-bit "
                "samples by 32768 first."
            )
        if not np.isfinite(waveform).all():
            raise ValueError("waveform must be finite. Received: NaN or infinity.")
        starts, ends, scores = self._score([waveform.astype(np.float32, copy=False)])
        rate_hz = self.spec.sample_rate_hz
        return starts / rate_hz, ends / rate_hz, scores

    def analyze_file(
        self,
        path: str | os.PathLike[str],
        progress: Callable[[float], None] | None = None,
    ) -> Analysis:
        """Hears a whole file, block by block, however long it is.

        Args:
            path: The sound file.
            progress: Called now and then with the share that is done, 0 to 1.

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
        events = find_events(
            windows[:, 0], windows[:, 1], scores, self.spec, duration_s
        )
        return Analysis(
            path=os.fspath(path),
            duration_s=duration_s,
            source_sample_rate_hz=sound.info.sample_rate_hz,
            sample_rate_hz=rate_hz,
            labels=self.spec.labels,
            windows=windows,
            scores=scores,
            clip_scores=scores.mean(axis=0, dtype=np.float64).astype(np.float32),
            events=tuple(events),
            notes=sound.notes(),
        )

    def _score(
        self, blocks: Iterable[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns starts and ends in samples, and the scores of the windows."""
        starts, ends = array.array("q"), array.array("q")
        scores = array.array("f")  # A night of rows, without an object for each.
        for start, window in stream_windows(
            blocks, self._window_samples, self._hop_samples
        ):
            row = self._model(window)
            if not np.isfinite(row).all():
                raise ModelFileError(
                    f"{self._name} gave a score that is not a number at "
                    f"{start / self.spec.sample_rate_hz:.1f} s. Export it again."
                )
            starts.append(start)
            ends.append(start + len(window))
            scores.frombytes(row.tobytes())
        return (
            np.array(starts, np.int64),
            np.array(ends, np.int64),
            np.frombuffer(scores, np.float32).reshape(-1, len(self.spec.labels)),
        )

    def _check_fit(self) -> None:
        labels, outputs = len(self.spec.labels), self._model.num_outputs
        if labels != outputs:
            raise ModelFileError(
                f"{self._name} has {labels} labels but its network gives {outputs} "
                "scores. Export it again."
            )
        samples = self._model.input_samples
        if samples is not None and samples < self._window_samples:
            raise ModelFileError(
                f"{self._name} is set to windows of {self._window_samples} samples but "
                f"its network takes {samples}. Export it again."
            )


def _reported(
    sound: SoundStream, progress: Callable[[float], None]
) -> Iterable[np.ndarray]:
    for block in sound:
        yield block
        progress(min(1.0, sound.frames_read / sound.info.frames))
