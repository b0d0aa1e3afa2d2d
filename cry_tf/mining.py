"""Finds the surest false alarms of a detector in recordings without a cry.

They are written as clips with a manifest, which is DATA for the next training: the
sounds that a detector takes for a cry teach it most.
"""

from __future__ import annotations

import base64
import csv
import dataclasses
import heapq
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from cry_lite.sound_folder import CONTAINER_SUFFIXES, SUFFIXES, find_sounds
from cry_lite.windows import score_windows
from cry_tf.data import detection_labels, sound_source
from cry_tf.data.clip import Clip
from cry_tf.data.content_digest import content_sha256
from cry_tf.data.grouping import known_source
from cry_tf.data.loading import load
from cry_tf.evaluation.scorer import Scorer
from cry_tf.reports import sounds
from cry_tf.runs import result_folder
from cry_tf.runs.progress import NoProgress, Progress

MANIFEST = "manifest.csv"
_COLUMNS: tuple[str, ...] = (
    "file",
    "label",
    "group",
    "dataset",
    "score",
    "source",
    "start_s",
    "end_s",
)
# Before and after the window, so that one hears where the sound comes from.
_AROUND_S = 1.0


@dataclass(frozen=True)
class FalseAlarm:
    """A window without a cry that has the score of one.

    Attributes:
        clip: The recording.
        start_s: Start of the window, seconds.
        end_s: Its end, seconds.
        score: Score of the cry in [0, 1].
    """

    clip: Clip
    start_s: float
    end_s: float
    score: float


@dataclass(frozen=True)
class Mined:
    """What `mine` found.

    Attributes:
        alarms: The surest first.
        hours: Length of all recordings that were scored.
        recordings: How many were scored.
        problems: A sentence for each that was not.
        left_out: How many had a cry by their label, or an unsure one.
    """

    alarms: tuple[FalseAlarm, ...]
    hours: float
    recordings: int
    problems: tuple[str, ...]
    left_out: int


def recordings_of(paths: Sequence[str]) -> tuple[list[Clip], int, list[str]]:
    """Returns the recordings without a cry that are named.

    Args:
        paths: Manifests, whose labels tell which recordings have a cry; sound files,
            and folders of them, in which no cry is expected.

    Returns:
        The recordings, each once; how many were left out for their label; and a
        sentence for each name that has none.

    Raises:
        OSError: If a manifest cannot be read.
        ValueError: If a manifest is damaged.
    """
    clips: list[Clip] = []
    problems: list[str] = []
    left_out = 0
    for path in paths:
        if Path(path).suffix.lower() == ".csv":
            everything = load(path)
            dataset, _ = detection_labels.without_unsure(everything)
            mapping = detection_labels.map_labels(
                [clip.label for clip in dataset.clips], is_training=False
            )
            kept = [
                clip
                for clip in dataset.clips
                if mapping(clip.label) == detection_labels.NEGATIVE
            ]
            left_out += len(everything) - len(kept)
            clips += kept
            continue
        found, faults = find_sounds([path], SUFFIXES | CONTAINER_SUFFIXES)
        problems += faults
        for sound in found:
            source = known_source(Path(sound).stem)
            group = source[1] if source else f"mined:{content_sha256(Path(sound))[:16]}"
            clips.append(Clip(Path(sound), detection_labels.NEGATIVE, group))
    once = {os.path.realpath(clip.path): clip for clip in reversed(clips)}
    return [*once.values()][::-1], left_out, problems


def mine(
    scorer: Scorer,
    clips: Iterable[Clip],
    most: int = 50,
    most_each: int = 5,
    least: float | None = None,
    progress: Progress | None = None,
) -> Mined:
    """Scores recordings in windows, and returns the highest scores of a cry.

    Of windows that overlap one is kept, the one with the highest score.

    Args:
        scorer: A detector.
        clips: Recordings without a cry, of any length.
        most: False alarms in all, int >= 1.
        most_each: Of one recording, so that it does not fill the list, int >= 1.
        least: Lowest score that counts, in [0, 1]; None takes half of the threshold
            of the detector: what nearly fires in these recordings fires in others.
        progress: Takes a bar and warnings.

    Raises:
        ValueError: If the model is no detector, or a number is out of range.
    """
    spec, progress = scorer.spec, progress or NoProgress()
    if spec.positive_label is None:
        raise ValueError(
            "False alarms are those of a detector. Received: a classifier of "
            f"{', '.join(spec.labels)}. Train one with --task detect."
        )
    if least is None:
        least = spec.decision.onset_threshold / 2
    if most < 1 or most_each < 1 or not 0 <= least <= 1:
        raise ValueError(
            "most and most_each must be at least 1, and least in [0, 1]. Received: "
            f"{most=}, {most_each=}, {least=}."
        )
    positive = spec.labels.index(spec.positive_label)
    clips = list(clips)
    found: list[FalseAlarm] = []
    problems: list[str] = []
    seconds, scored = 0.0, 0
    with progress.bar("recordings", len(clips)) as advance:
        for clip in clips:
            try:
                blocks = sound_source.stream(clip.path, spec.sample_rate_hz)
                starts, ends, scores = score_windows(blocks, spec, scorer.score)
            except OSError as error:
                problems.append(str(error))
                progress.warn(f"left out: {error}")
            else:
                times = np.stack([starts, ends], axis=1) / spec.sample_rate_hz
                found += [
                    FalseAlarm(
                        clip, float(times[place, 0]), float(times[place, 1]), score
                    )
                    for place, score in peaks(times, scores[:, positive], most_each)
                    if score >= least
                ]
                seconds, scored = seconds + float(times[-1, 1]), scored + 1
            advance()
    # The place keeps the order of equal scores.
    surest = heapq.nsmallest(most, enumerate(found), lambda e: (-e[1].score, e[0]))
    return Mined(
        tuple(alarm for _, alarm in surest),
        seconds / 3600,
        scored,
        tuple(problems),
        0,
    )


def peaks(
    times_s: np.ndarray, scores: np.ndarray, most: int
) -> list[tuple[int, float]]:
    """Returns the windows with the highest scores, none of which overlap.

    Args:
        times_s: Floats `(windows, 2)`, starts and ends.
        scores: Floats `(windows,)`.
        most: How many at most.

    Returns:
        Pairs of a place and its score, the highest first.
    """
    chosen: list[int] = []
    for place in np.argsort(-scores, kind="stable").tolist():
        if len(chosen) == most:
            break
        start_s, end_s = times_s[place]
        if all(
            start_s >= times_s[other, 1] or end_s <= times_s[other, 0]
            for other in chosen
        ):
            chosen.append(place)
    return [(place, float(scores[place])) for place in chosen]


def write(
    mined: Mined,
    output: str | os.PathLike[str],
    model: str,
    overwrite: bool = False,
) -> Path:
    """Writes a clip, a spectrogram and a row of the manifest for each false alarm.

    Args:
        mined: What `mine` found.
        output: The folder to write; it appears only when complete.
        model: Name of the model, for the record.
        overwrite: True replaces an earlier result.

    Returns:
        The manifest: files, the label `no_cry`, groups and data sets as in the
        manifest that a recording came from, scores and times.

    Raises:
        FileExistsError: If something else stands at `output`.
        OSError: If a recording cannot be read again, or the folder not be written.
    """
    with result_folder.writing(output, overwrite) as part:
        rows = [_written(part, n, each) for n, each in enumerate(mined.alarms, start=1)]
        with open(part / MANIFEST, "w", newline="", encoding="utf-8") as stream:
            table = csv.DictWriter(stream, _COLUMNS, lineterminator="\n")
            table.writeheader()
            table.writerows(rows)
        facts = dataclasses.asdict(mined)
        facts["alarms"] = rows
        result_folder.write_json(part / result_folder.MARK, {"model": model, **facts})
    return Path(output).expanduser() / MANIFEST


def _written(folder: Path, number: int, alarm: FalseAlarm) -> dict[str, object]:
    """Writes the clip and its spectrogram, and returns its row."""
    waveform, rate_hz, _ = sound_source.read_native(alarm.clip.path)
    low = max(0, round((alarm.start_s - _AROUND_S) * rate_hz))
    high = min(len(waveform), round((alarm.end_s + _AROUND_S) * rate_hz))
    name = f"{number:04d}.flac"
    soundfile.write(folder / name, waveform[low:high], rate_hz, subtype="PCM_16")
    (picture,) = sounds.embed([folder / name])
    if picture.spectrogram:
        content = base64.b64decode(picture.spectrogram.partition(",")[2])
        (folder / f"{number:04d}.png").write_bytes(content)
    return {
        "file": name,
        "label": detection_labels.NEGATIVE,
        "group": alarm.clip.group,
        "dataset": alarm.clip.domain,
        "score": round(alarm.score, 6),
        "source": str(alarm.clip.path),
        "start_s": round(alarm.start_s, 3),
        "end_s": round(alarm.end_s, 3),
    }
