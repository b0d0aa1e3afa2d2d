"""The recordings that quickstart uses: synthetic ones, or the user's."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from cry_tf.data import load
from cry_tf.data.dataset import Dataset
from cry_tf.data.detection_labels import NEGATIVE, POSITIVE, LabelMapping, map_labels
from cry_tf.runs.progress import Progress
from cry_tf.synthesis import draw_home, synthesise_night, write_recordings
from cry_tf.synthesis.night import Night, TrueEvent
from cry_tf.synthesis.voice import SAMPLE_RATE_HZ


@dataclass(frozen=True, kw_only=True)
class MaterialSizes:
    """Sizes of the synthetic sets, of the training and of the night.

    Attributes:
        infants: Synthetic infants, that is, groups.
        detection_clips: Clips an infant in the detection set, half of them cries.
        detection_s: Length of each, seconds.
        reason_clips: Cries an infant and reason in the reason set.
        reason_s: Length of each, seconds.
        night_s: Length of the night, seconds.
        cry_episodes: Cry episodes in it.
        household_events: Other sounds in it.
        scratch_epochs: Passes where every layer is trained from random weights.
        scratch_batch: Clips a step there: few, as there are few clips, and a
            network learns by the step.
        scratch_folds: Folds there: each is a whole training.
        head_epochs: Passes where only the head is trained.
        head_folds: Folds there.
        parity_clips: Clips on which a `.tflite` is compared with its model.
    """

    infants: int = 16
    detection_clips: int = 30
    detection_s: float = 2.0
    reason_clips: int = 4
    reason_s: float = 3.0
    night_s: float = 600.0
    cry_episodes: int = 6
    household_events: int = 24
    scratch_epochs: int = 6
    scratch_batch: int = 16
    scratch_folds: int = 2
    head_epochs: int = 30
    head_folds: int = 5
    parity_clips: int = 40


# Sized by measurement: from random weights about 150 s of processor time, two thirds of
# it training, which two cores share; with the bundled weights 75 s.
STANDARD = MaterialSizes()


_FLOOR_DB = -70.0
_MAX_CLIP_S = 30.0


def held_out_night(
    dataset: Dataset, mapping: LabelMapping, seed: int, duration_s: float
) -> Night:
    """Strings clips together, with some seconds of near silence between them.

    Clips are drawn until the night is full, cries at most a third of them, and
    each is used as it was recorded, its first 30 seconds at most.

    Args:
        dataset: The clips.
        mapping: Which labels mean a cry.
        seed: Draws the clips, their order and the pauses.
        duration_s: Length wanted, seconds; fewer clips make a shorter night.

    Returns:
        The night; a cry's label is its `reason`.

    Raises:
        ValueError: If the clips hold no cry or nothing else.
    """
    rng = np.random.default_rng([seed, 1])
    is_cry = np.array([mapping(clip.label) == POSITIVE for clip in dataset.clips])
    cries = rng.permutation(np.flatnonzero(is_cry))
    others = rng.permutation(np.flatnonzero(~is_cry))
    if not len(cries) or not len(others):
        raise ValueError(
            "A night takes cries and other sounds. Received: "
            f"{len(cries)} clips with a cry and {len(others)} without."
        )
    order: list[int] = []
    while len(cries) or len(others):
        order += [*cries[:1], *others[:2]]
        cries, others = cries[1:], others[2:]
    chosen = dataset.subset(order)

    pieces, events, position = [], [], 0
    for clip, waveform in chosen.waveforms(
        SAMPLE_RATE_HZ, on_error="skip", max_seconds=_MAX_CLIP_S
    ):
        pause = int(rng.uniform(3, 8) * SAMPLE_RATE_HZ)
        if events and position + pause + len(waveform) > duration_s * SAMPLE_RATE_HZ:
            break
        pieces += [np.zeros(pause, np.float32), waveform]
        start, position = position + pause, position + pause + len(waveform)
        cry = mapping(clip.label) == POSITIVE
        events.append(
            TrueEvent(
                start_s=start / SAMPLE_RATE_HZ,
                end_s=position / SAMPLE_RATE_HZ,
                label=POSITIVE if cry else clip.label,
                reason=clip.label if cry else "",
            )
        )
    if not pieces:
        raise ValueError(
            f"A night takes clips that can be decoded. None of {len(chosen)} can. The "
            f"first: {chosen.problems[0].sentence}"
        )
    out = np.concatenate([*pieces, np.zeros(3 * SAMPLE_RATE_HZ, np.float32)])
    floor = rng.standard_normal(len(out), dtype=np.float32)
    out += floor * np.float32(10 ** (_FLOOR_DB / 20))
    return Night(out.clip(-0.999, 0.999), tuple(events))


# Labels of a cry that give no reason.
_NO_REASON = frozenset(
    (
        *("cry", "cries", "crying", "crying_sobbing"),
        *("baby_cry", "baby_crying", "crying_baby", "newborn_cry"),
        *("infant_cry", "infant_crying", "baby_cry_infant_cry"),
    )
)


@dataclass(frozen=True, kw_only=True)
class Material:
    """The input of the chain.

    Attributes:
        origin: Where it comes from, for the record.
        is_synthetic: Whether all of it was computed.
        detection: Clips with and without a cry, None if there are none.
        reasons: Cries labelled with a reason, None if there are none.
        night: What the detector analyzes, None without a detector.
        night_origin: Sources of the night's sounds.
        notes: Limits of these data, a sentence each.
    """

    origin: str
    is_synthetic: bool
    detection: Dataset | None
    reasons: Dataset | None
    night: Night | None
    night_origin: str
    notes: tuple[str, ...] = ()


def synthetic_material(
    folder: Path, seed: int, scale: MaterialSizes, progress: Progress
) -> Material:
    """Synthesises both sets and a night of an infant that is in neither.

    Args:
        folder: Where the recordings are written.
        seed: Draws everything.
        scale: How much.
        progress: Takes lines, warnings and progress.
    """
    with progress.bar("synthetic infants", scale.infants) as advance:
        written = write_recordings(
            folder,
            seed=seed,
            infants=scale.infants,
            detection_clips=scale.detection_clips,
            detection_s=scale.detection_s,
            reason_clips=scale.reason_clips,
            reason_s=scale.reason_s,
            advance=advance,
        )
    # The infants of the sets are [seed, 0], [seed, 1], ...: this one is none of them.
    rng = np.random.default_rng([seed, scale.infants])
    infant, home = draw_home("synthetic_infant_of_the_night", rng)
    night = synthesise_night(
        infant,
        home,
        rng,
        duration_s=scale.night_s,
        cry_episodes=scale.cry_episodes,
        household_events=scale.household_events,
    )
    return Material(
        origin=f"synthetic recordings, seed {seed}",
        is_synthetic=True,
        detection=load(written.detection),
        reasons=load(written.reasons),
        night=night,
        night_origin="a synthetic infant and home that are in no training clip",
    )


def real_material(
    data: str | os.PathLike[str] | Sequence[str], seed: int, scale: MaterialSizes
) -> Material:
    """Loads labelled recordings and keeps a fifth of the groups for the night.

    Args:
        data: Folder per label, or manifest CSV, or several.
        seed: Draws the groups that are kept, and the night.
        scale: Length of the night.

    Raises:
        ValueError: If neither a detector nor a reason model can be trained.
        OSError: If the data cannot be read.
    """
    dataset = load(data)
    paths = [data] if isinstance(data, (str, os.PathLike)) else data
    origin = ", ".join(os.fspath(path) for path in paths)
    notes = [note for note in (dataset.grouping, *dataset.notes) if note]
    mapping = None
    try:
        mapping = map_labels([clip.label for clip in dataset.clips])
    except ValueError as error:
        notes.append(f"No detector and no night: {error}")
    night, night_origin, detection, learned = None, "", None, dataset
    if mapping is not None:
        try:
            learned, held_out = _set_apart(dataset, mapping, seed)
            detection = learned
            night = held_out_night(held_out, mapping, seed, scale.night_s)
            night_origin = (
                f"{len(set(held_out.groups))} groups of {origin} that no model was "
                "trained on, their clips in random order"
            )
        except ValueError as error:
            notes.append(f"No detector and no night: {error}")
    reasons, note = _reasons(learned, mapping)
    if note:
        notes.append(note)
    if detection is None and reasons is None:
        raise ValueError(f"Nothing can be trained on {origin}. " + " ".join(notes[-2:]))
    return Material(
        origin=origin,
        is_synthetic=False,
        detection=detection,
        reasons=reasons,
        night=night,
        night_origin=night_origin,
        notes=tuple(notes),
    )


def _set_apart(
    dataset: Dataset, mapping: LabelMapping, seed: int
) -> tuple[Dataset, Dataset]:
    """Splits by group so that both parts hold cries and other sounds."""
    binary = dataset.map_labels(mapping)
    parts = binary.split(test_size=0.2, seed=seed)
    places = {clip.path: index for index, clip in enumerate(dataset.clips)}
    learned, held_out = (
        dataset.subset(places[clip.path] for clip in part.clips) for part in parts
    )
    learned.map_labels(mapping).require_trainable("detect", 2)
    return learned, held_out


def _reasons(
    dataset: Dataset, mapping: LabelMapping | None
) -> tuple[Dataset | None, str]:
    """Keeps the cries labelled with a reason, of labels with enough groups to split."""

    def is_reason(label: str) -> bool:
        plain = label.lower().replace(" ", "_").replace("-", "_")
        is_cry = mapping is None or mapping(label) != NEGATIVE
        return is_cry and plain not in _NO_REASON

    named = [label for label in dataset.labels if is_reason(label)]
    kept = [label for label in named if dataset.group_counts[label] >= 2]
    dropped = sorted(set(named) - set(kept))
    if len(kept) < 2:
        return None, (
            "No reason model: it needs cries of at least two reasons, each from two "
            f"groups or more. Found: {', '.join(kept) or 'none'}."
        )
    reasons = dataset.map_labels(lambda label: label if label in kept else None)
    if dropped:
        return reasons, (
            "Left out of the reason model, as they come from one group only: "
            f"{', '.join(dropped)}."
        )
    return reasons, ""


def possible_folds(
    dataset: Dataset, task: Literal["detect", "reason"], wanted: int
) -> int:
    """Returns the number of folds that every label has groups enough for."""
    if task == "detect":
        dataset = dataset.map_labels(map_labels([clip.label for clip in dataset.clips]))
    return min(wanted, *dataset.group_counts.values())
