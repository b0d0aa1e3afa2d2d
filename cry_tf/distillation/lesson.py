"""The training data of a student: labelled clips, windows, pseudo labels."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile

from cry_lite.errors import SoundFileError
from cry_tf.augment.policy import Policy
from cry_tf.data import decoding, sound_source
from cry_tf.data.clip import Clip
from cry_tf.data.content_digest import content_sha256
from cry_tf.data.dataset import Dataset
from cry_tf.data.embedding_plan import EmbeddingPlan
from cry_tf.data.grouping import known_source, plural
from cry_tf.evaluation.score_calibration import Bin, calibrate
from cry_tf.runs.predictions import Predictions
from cry_tf.runs.progress import Progress

_BINS = 20
# Too few clips to estimate one error in twenty.
_LEAST_CLIPS = 20


def sure_from(predictions: Predictions, precision: float) -> dict[str, float | None]:
    """Returns from which score on a teacher may be believed, by label.

    It is the lowest edge of a bin of its calibration such that, of the clips with
    a score of it or more, a share of at least `precision` had been scored rightly.
    A detector has a threshold of its own for the cry and for its absence; the
    answers of a classifier share one.

    Args:
        predictions: Of clips that the teacher was not trained on.
        precision: Share in (0, 1).

    Returns:
        A threshold in [0, 1] of the label's own score, or None where no score is
        sure enough.
    """
    bins = calibrate(predictions, _BINS).bins
    falling = [*reversed(bins)]
    if predictions.positive_label is None:
        threshold = _lowest_edge(falling, precision, is_mirrored=False)
        return dict.fromkeys(predictions.labels, threshold)
    found: dict[str, float | None] = {}
    for place, label in enumerate(predictions.labels):
        is_cry = place == predictions.positive_index
        order = falling if is_cry else bins
        found[label] = _lowest_edge(order, precision, not is_cry)
    return found


def _lowest_edge(
    bins: Sequence[Bin], precision: float, is_mirrored: bool
) -> float | None:
    """Returns how far from the surest bin one may go; mirrored bins claim not."""
    clips, right, found = 0, 0.0, None
    for each in bins:
        if each.observed is not None:
            share = 1 - each.observed if is_mirrored else each.observed
            clips, right = clips + each.clips, right + share * each.clips
        if clips >= _LEAST_CLIPS and right >= precision * clips and each.clips:
            found = 1 - each.high if is_mirrored else each.low
    return found


def pseudo_labels(
    scores: np.ndarray,
    thresholds: Sequence[dict[str, float | None]],
    labels: Sequence[str],
) -> np.ndarray:
    """Labels windows where every teacher is sure, and all of the same label.

    Args:
        scores: Float `(windows, teachers, labels)`.
        thresholds: Of each teacher, see `sure_from`.
        labels: Names of the scores.

    Returns:
        Int32 `(windows,)`: a place in the labels, -1 where they are not sure.
    """
    best = scores.argmax(axis=2)  # (windows, teachers)
    edges = np.array(
        [
            [2.0 if (edge := of_one[label]) is None else edge for label in labels]
            for of_one in thresholds
        ]
    )
    is_sure = np.ones(len(scores), bool)
    for teacher in range(scores.shape[1]):
        place = best[:, teacher]
        is_sure &= (
            scores[np.arange(len(scores)), teacher, place] >= edges[teacher, place]
        )
    is_sure &= (best == best[:, :1]).all(axis=1)
    return np.where(is_sure, best[:, 0], -1).astype(np.int32)


# A shorter rest is too short to score.
_LEAST_S = 1.0


def cut_windows(
    folder: str | os.PathLike[str],
    labelled: Dataset,
    window_s: float,
    work: Path,
    progress: Progress,
) -> tuple[Clip, ...]:
    """Cuts every recording below a folder into windows, each a file of its own.

    Recordings that are among the labelled clips, by content or by the source that
    their name tells, are left out: a fold's test clips must not be used. Silent
    windows are left out too.

    Args:
        folder: Holds sound files at any depth.
        labelled: The labelled clips.
        window_s: Length of a window, seconds; the last one of a recording is
            shorter.
        work: Where the windows are written.
        progress: Takes what was left out and the number of windows.

    Returns:
        A clip a window, named `file@seconds`, with the first label of `labelled`,
        which means nothing. The same folder gives the same windows.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If no window is found.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(
            f"--unlabelled takes a folder of recordings. There is none at {root}."
        )
    files = [file for file in sorted(root.rglob("*")) if _is_sound(root, file)]
    known = {content_sha256(clip.path) for clip in labelled.clips}
    groups = {clip.group for clip in labelled.clips}
    clips: list[Clip] = []
    among = 0
    for number, file in enumerate(files):
        source = known_source(file.stem)
        name = file.relative_to(root).as_posix()
        group = source[1] if source else f"unlabelled:{name}"
        if group in groups or content_sha256(file) in known:
            among += 1
            continue
        try:
            windows = [*_windows(file, window_s)]
        except (OSError, SoundFileError) as error:
            progress.warn(f"left out: {error}")
            continue
        for start_s, waveform, rate_hz in windows:
            path = work / f"{number:05d}-{start_s:.2f}.wav"
            soundfile.write(path, waveform, rate_hz, subtype="PCM_16")
            clips.append(
                Clip(path, labelled.labels[0], group, name=f"{name}@{start_s:g}")
            )
    if among:
        progress.warn(
            f"{plural(among, 'unlabelled recording')} left out: from the source of "
            "a labelled clip"
        )
    if not clips:
        raise ValueError(
            "--unlabelled takes a folder with recordings that are not among the "
            f"labelled ones. {root} holds {plural(len(files), 'sound file')}, of which "
            "none can be used."
        )
    progress.line(
        f"unlabelled: {plural(len(clips), 'window')} of up to {window_s:g} s from "
        f"{plural(len(files) - among, 'recording')}"
    )
    return tuple(clips)


def _is_sound(root: Path, file: Path) -> bool:
    inside = file.relative_to(root).parts
    is_hidden = any(part.startswith(".") for part in inside)
    return file.is_file() and not is_hidden and sound_source.is_sound_name(file)


def _windows(file: Path, window_s: float) -> Iterator[tuple[float, np.ndarray, int]]:
    """Yields (start in seconds, waveform, sample rate) of each window with sound."""
    waveform, rate_hz, _ = sound_source.read_native(file)
    samples = round(window_s * rate_hz)
    for start in range(0, len(waveform), samples):
        window = waveform[start : start + samples]
        is_long = start == 0 or len(window) >= _LEAST_S * rate_hz
        if is_long and np.any(window):
            yield start / rate_hz, window, rate_hz


# Waveforms are read again in each epoch: augmenting takes longer than a step.
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
        max_seconds: A longer clip is cut to its beginning, seconds.
        source: The recordings that the labelled clips were drawn from, None where
            they are recordings themselves.
        dataset: All clips. The label of a window means nothing.
        truth: Int32 `(clips,)`, -1 for a window.
    """

    labelled: Dataset
    windows: tuple[Clip, ...]
    policy: Policy | None
    copies: int
    seed: int
    max_seconds: float
    source: Dataset | None = None
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
    def recordings(self) -> Dataset:
        """The recordings with labels."""
        return self.labelled if self.source is None else self.source

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
