"""Writes a folder of scenes: sound, events, and where every second comes from."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cry_lite.errors import SoundFileError
from cry_tf.data import detection_labels, event_files, sound_source
from cry_tf.data.clip import Clip
from cry_tf.data.dataset import Dataset
from cry_tf.data.event_files import EventFile
from cry_tf.runs import result_folder
from cry_tf.runs.progress import NoProgress, Progress
from cry_tf.runs.provenance import versions
from cry_tf.scenes.crying import SAMPLE_RATE_HZ, CryClip, Piece
from cry_tf.scenes.scene import (
    BackgroundClips,
    Infants,
    Scene,
    crying_scene,
    quiet_scene,
)

SNRS_DB = (20.0, 10.0, 5.0, 0.0)
SCENE_MINUTES = 10.0
DEFINITION = (
    "SNR: mean power of a bout over the samples within its cries, to the mean power of "
    "the background at the same samples, dB. The noise recorded with the cries counts "
    "as part of the bout."
)
# A scene takes 40 MB for each 10 minutes while it is made.
_LONGEST_MINUTES = 120.0
_SHORTEST_MINUTES = 2.0


@dataclass(frozen=True, kw_only=True)
class SceneSettings:
    """What to make.

    Attributes:
        hours: Hours of scenes with crying, 0 for none.
        ambient_hours: Hours of scenes without. None takes every clip without crying
            once, at most `hours` where that is not 0.
        snrs_db: Signal-to-noise ratios; each gets the same number of scenes.
        scene_minutes: Length of a scene, about: the hours are divided evenly.
        seed: Seed of every choice.
    """

    hours: float = 1.0
    ambient_hours: float | None = None
    snrs_db: tuple[float, ...] = SNRS_DB
    scene_minutes: float = SCENE_MINUTES
    seed: int = 0

    def __post_init__(self) -> None:
        """Checks every field; the error names the field and its value."""
        for name in ("hours", "ambient_hours"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 10_000:
                raise ValueError(
                    f"{name} must be in [0, 10000]. Received: {name}={value}."
                )
        if self.hours == 0 and self.ambient_hours == 0:
            raise ValueError(
                "Scenes take some time. Received: hours=0, ambient_hours=0."
            )
        if not _SHORTEST_MINUTES <= self.scene_minutes <= _LONGEST_MINUTES:
            raise ValueError(
                f"scene_minutes must be in [{_SHORTEST_MINUTES:g}, "
                f"{_LONGEST_MINUTES:g}]. Received: scene_minutes={self.scene_minutes}."
            )
        if not self.snrs_db or not all(-30 <= snr <= 60 for snr in self.snrs_db):
            raise ValueError(
                "snrs_db must be ratios from -30 to 60 dB, at least one. Received: "
                f"snrs_db={self.snrs_db}."
            )
        if len(set(self.snrs_db)) < len(self.snrs_db):
            raise ValueError(f"snrs_db must differ. Received: snrs_db={self.snrs_db}.")


@dataclass(frozen=True)
class Made:
    """What was written.

    Attributes:
        path: The folder.
        summary: The content of its `metrics.json`.
        left_out: Sentences on clips that could not be used.
    """

    path: Path
    summary: dict[str, Any]
    left_out: tuple[str, ...]


def make_scenes(
    dataset: Dataset,
    path: str | os.PathLike[str],
    settings: SceneSettings,
    *,
    annotated: Sequence[EventFile] = (),
    positive: Sequence[str] | None = None,
    ignored: Sequence[str] = (),
    origin: str = "",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Made:
    """Makes scenes of the clips of a data set and writes them.

    The folder has the scenes as FLAC files, `events.csv` with every cry,
    `manifest.csv` with every scene (so that the folder is a data set), `clips.csv`
    with every clip in them, and `metrics.json` with settings and totals. The same
    data, settings and seed give the same files.

    Args:
        dataset: Clips. For a test, of groups that no training saw.
        path: The folder to write; it appears when everything is done.
        settings: What to make.
        annotated: When there is crying in the clips with crying. A clip in a folder of
            annotated clips that has no event itself is left out; the others take their
            loud parts.
        positive: Labels that mean crying; None takes known names.
        ignored: Labels whose clips are left out.
        origin: Where the data came from, for the record.
        overwrite: True replaces an earlier result.
        progress: Takes lines, warnings and progress; None ignores them.

    Raises:
        ValueError: If there is no clip with, or none without crying.
        OSError: If the folder cannot be written.
    """
    progress = progress or NoProgress()
    dataset = _without_labels(dataset, ignored)
    mapping = detection_labels.map_labels(
        [clip.label for clip in dataset.clips], positive
    )
    progress.line("labels:")
    for sentence in mapping.sentences():
        progress.line(f"  {sentence}")
    left_out: list[str] = []
    is_cry = {label for label, _ in mapping.positive}
    cries = _cry_clips(
        [clip for clip in dataset.clips if clip.label in is_cry],
        annotated,
        left_out,
        progress.warn,
    )
    if settings.hours and not cries:
        raise ValueError("No clip with crying can be used: none has an event.")
    rng = np.random.default_rng(settings.seed)
    background = BackgroundClips(
        [clip for clip in dataset.clips if clip.label not in is_cry],
        rng,
        lambda clip, reason: left_out.append(reason),
    )
    infants = Infants(cries, rng)
    plan = _plan(settings, background.seconds / 3600)
    with result_folder.writing(path, overwrite) as part:
        rows: dict[str, list[list[str]]] = {"manifest": [], "events": [], "clips": []}
        with progress.bar("scenes", len(plan)) as advance:
            for number, (samples, snr_db) in enumerate(plan, start=1):
                if snr_db is None:
                    name = f"ambient_{number:04d}.flac"
                    scene = quiet_scene(background, samples)
                else:
                    name = f"crying_{number:04d}_{snr_db:g}dB.flac"
                    scene = crying_scene(background, infants, samples, snr_db, rng)
                _write_flac(part / name, scene.waveform)
                _add_rows(rows, name, scene)
                advance()
        for table, header in _HEADERS.items():
            _write_csv(part / f"{table}.csv", header, rows[table])
        summary = _summary(
            dataset, settings, plan, rows, background, infants, annotated, origin
        )
        result_folder.write_json(part / result_folder.MARK, summary)
    for sentence in left_out:
        progress.warn(f"left out: {sentence}")
    for sentence in summary["sentences"]:
        progress.line(sentence)
    return Made(Path(path), summary, tuple(left_out))


_HEADERS = {
    "manifest": ["file", "label", "group", "duration_s", "snr_db", "bouts"],
    "events": ["file", "start_s", "end_s", "label", "snr_db", "bout", "group"],
    "clips": ["file", "start_s", "end_s", "role", "clip", "label", "group"]
    + ["offset_s", "gain_db"],
}


def _without_labels(dataset: Dataset, ignored: Sequence[str]) -> Dataset:
    unknown = sorted(set(ignored) - {clip.label for clip in dataset.clips})
    if unknown:
        raise ValueError(
            "A label to leave out must occur in the data. Received: "
            f"{', '.join(unknown)}. Labels: {', '.join(dataset.labels)}."
        )
    return dataset.map_labels(lambda label: None if label in ignored else label)


def _cry_clips(
    clips: Sequence[Clip],
    annotated: Sequence[EventFile],
    left_out: list[str],
    warn: Callable[[str], None],
) -> list[CryClip]:
    if not annotated:
        return [CryClip(clip) for clip in clips]
    found = event_files.assign(annotated, [(clip.name, clip.path) for clip in clips])
    events = {place: each for place, each in found.events.items() if each}
    covered = {clips[place].path.parent for place in events}
    made = []
    for place, clip in enumerate(clips):
        if place in events:
            kept, _ = event_files.crying(events[place])
            try:
                duration_s = sound_source.info(clip.path).duration_s
            except SoundFileError as error:
                left_out.append(str(error))
                continue
            kept, notes = event_files.within(kept, duration_s, clip.name)
            for note in notes:
                warn(note)
            spans = [(event.start_s, event.end_s) for event in kept]
            made.append(CryClip(clip, np.array(spans, np.float64)))
        elif clip.path.parent in covered:
            left_out.append(f"{clip.name} has no annotated cry.")
        else:
            made.append(CryClip(clip))
    return made


def _plan(
    settings: SceneSettings, distinct_hours: float
) -> list[tuple[int, float | None]]:
    """Returns length and ratio of each scene; None for one without crying."""
    ambient_hours = settings.ambient_hours
    if ambient_hours is None:
        ambient_hours = distinct_hours
        if settings.hours:
            ambient_hours = min(ambient_hours, settings.hours)
    plan: list[tuple[int, float | None]] = []
    if settings.hours:
        per_ratio = settings.hours * 60 / settings.scene_minutes / len(settings.snrs_db)
        count = max(1, round(per_ratio)) * len(settings.snrs_db)
        samples = round(settings.hours * 3600 / count * SAMPLE_RATE_HZ)
        if samples < _SHORTEST_MINUTES * 60 * SAMPLE_RATE_HZ:
            raise ValueError(
                f"Each ratio needs a scene of at least {_SHORTEST_MINUTES:g} minutes. "
                f"Received: {settings.hours:g} hours for {len(settings.snrs_db)} "
                "ratios. Ask for more hours or fewer ratios."
            )
        plan += [
            (samples, settings.snrs_db[i % len(settings.snrs_db)]) for i in range(count)
        ]
    if ambient_hours:
        count = max(1, round(ambient_hours * 60 / settings.scene_minutes))
        plan += [(round(ambient_hours * 3600 / count * SAMPLE_RATE_HZ), None)] * count
    return plan


def _write_flac(path: Path, waveform: np.ndarray) -> None:
    import soundfile

    soundfile.write(path, waveform, SAMPLE_RATE_HZ, subtype="PCM_16", format="FLAC")


def _add_rows(rows: dict[str, list[list[str]]], name: str, scene: Scene) -> None:
    snr = "" if scene.snr_db is None else f"{scene.snr_db:g}"
    bouts = len({event.bout for event in scene.events})
    rows["manifest"].append(
        [
            name,
            detection_labels.POSITIVE if bouts else detection_labels.NEGATIVE,
            name.removesuffix(".flac"),
            f"{len(scene.waveform) / SAMPLE_RATE_HZ:.3f}",
            snr,
            str(bouts),
        ]
    )
    rows["events"] += [
        [
            name,
            f"{event.start_s:.3f}",
            f"{event.end_s:.3f}",
            detection_labels.POSITIVE,
            snr,
            str(event.bout),
            event.group,
        ]
        for event in scene.events
    ]
    for role, pieces in (("crying", scene.crying), ("background", scene.background)):
        rows["clips"] += [_clip_row(name, role, piece) for piece in pieces]


def _clip_row(name: str, role: str, piece: Piece) -> list[str]:
    return [
        name,
        f"{piece.start_s:.3f}",
        f"{piece.end_s:.3f}",
        role,
        piece.clip.name,
        piece.clip.label,
        piece.clip.group,
        f"{piece.offset_s:.3f}",
        f"{piece.gain_db:.2f}",
    ]


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[list[str]]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _summary(
    dataset: Dataset,
    settings: SceneSettings,
    plan: Sequence[tuple[int, float | None]],
    rows: dict[str, list[list[str]]],
    background: BackgroundClips,
    infants: Infants,
    annotated: Sequence[EventFile],
    origin: str,
) -> dict[str, Any]:
    hours = {
        kind: sum(n for n, snr in plan if (snr is None) == is_quiet)
        / (3600 * SAMPLE_RATE_HZ)
        for kind, is_quiet in (("crying", False), ("ambient", True))
    }
    bouts = len({(row[0], row[5]) for row in rows["events"]})
    groups = len({row[6] for row in rows["events"]})
    distinct = background.seconds / 3600
    ratios = ", ".join(f"{snr:g}" for snr in settings.snrs_db)
    sentences = [
        f"crying: {hours['crying']:.2f} h, {bouts} bouts of {groups} infants or "
        f"devices, at {ratios} dB",
        f"without crying: {hours['ambient']:.2f} h",
        f"background: {distinct:.2f} h of different sound, used "
        f"{sum(hours.values()) / distinct:.1f} times; a false alarm may return with "
        "its clip",
    ]
    return {
        "settings": asdict(settings),
        "definition": DEFINITION,
        "data": origin,
        "data_sha256": dataset.sha256,
        "events": [str(file.path) for file in annotated],
        "hours": hours,
        "bouts": bouts,
        "infants": groups,
        "infants_in_data": len(infants),
        "background_hours": distinct,
        "sentences": sentences,
        "versions": versions(),
    }
