"""Puts two datasets together.

Labels of one name are one label, and groups of one name are one source, so that no
recording of an infant or a device comes to stand on both sides of a split. Clips that
are the same file, byte for byte, join their groups too. Names of clips begin at the
folder that holds both datasets, so that each stays different.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path, PurePosixPath

from cry_tf.data.clip import Clip, LabelledClips
from cry_tf.data.grouping import join_copies


def join(
    one: LabelledClips, other: LabelledClips
) -> tuple[tuple[Clip, ...], tuple[str, ...], str, tuple[str, ...]]:
    """Returns clips, labels, grouping and notes of both, the first before the second.

    Labels are in alphabetical order if those of both are; else those that only the
    second has follow those of the first.

    Raises:
        ValueError: If a sound file is in both.
        OSError: If a file cannot be read.
    """
    paths = {os.path.abspath(clip.path) for clip in one.clips}
    twice = [clip for clip in other.clips if os.path.abspath(clip.path) in paths]
    if twice:
        raise ValueError(
            "Datasets that are put together must have no sound file in common. "
            f"Received: {len(twice)} in both, first {twice[0].path}."
        )
    folder = _common_folder([*one.clips, *other.clips])
    clips = [*_renamed(one, folder), *_renamed(other, folder)]
    joined, copies = join_copies(clips)
    if joined == tuple(clips):
        copies = ""  # The notes of both are kept already.
    new = [label for label in other.labels if label not in one.labels]
    labels = [*one.labels, *new]
    if all(sorted(each.labels) == list(each.labels) for each in (one, other)):
        labels.sort()
    sentences = dict.fromkeys((one.grouping, other.grouping, copies))
    grouping = " ".join(filter(None, sentences))
    return (
        joined,
        tuple(labels),
        grouping,
        tuple(dict.fromkeys(one.notes + other.notes)),
    )


def _common_folder(clips: list[Clip]) -> Path | None:
    """Returns the folder that holds those which names begin at; None for none."""
    roots = set()
    for clip in clips:
        path = Path(os.path.abspath(clip.path))
        name = PurePosixPath(clip.name).parts
        if path.parts[-len(name) :] != name:
            return None
        roots.add(Path(*path.parts[: -len(name)]))
    try:
        return Path(os.path.commonpath(roots))
    except ValueError:  # no clips, or two drives of Windows
        return None


def _renamed(dataset: LabelledClips, folder: Path | None) -> list[Clip]:
    clips = []
    groups = {}
    for clip in dataset.clips:
        path = Path(os.path.abspath(clip.path))
        name = (path if folder is None else path.relative_to(folder)).as_posix()
        # A clip without a known source is a group of its own under its name.
        groups[f"file:{clip.name}"] = f"file:{name}"
        clips.append(dataclasses.replace(clip, name=name))
    return [
        dataclasses.replace(clip, group=groups.get(clip.group, clip.group))
        for clip in clips
    ]
