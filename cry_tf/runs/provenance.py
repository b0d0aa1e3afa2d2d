"""Provenance of a run: the digests of its clips, and package versions."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from cry_lite import __version__
from cry_tf.data.clip import Problem
from cry_tf.data.content_digest import content_digests
from cry_tf.data.dataset import Dataset

_PACKAGES = ("tensorflow", "keras", "numpy", "scikit-learn", "soundfile", "soxr")
# Sixteen hexadecimal digits tell apart more files than any disk holds.
_DIGEST_LETTERS = 16


def short_digests(dataset: Dataset) -> list[str]:
    """Returns the beginning of the SHA-256 of each clip's file, in order.

    They show later whether a clip that a model is evaluated on was in its training.

    Raises:
        OSError: If a file cannot be read.
    """
    digests = content_digests(clip.path for clip in dataset.clips)
    return [digest[:_DIGEST_LETTERS] for digest in digests]


def data_facts(
    dataset: Dataset, origin: str, problems: Sequence[Problem], beside: Path
) -> dict[str, Any]:
    """Returns the entry of `config.json` for the clips that a model was trained on.

    Args:
        dataset: The clips.
        origin: Where they came from.
        problems: Clips that could not be used.
        beside: A folder in the same place as the run.

    Raises:
        OSError: If a file cannot be read.
    """
    return {
        "origin": origin,
        "folder": _clips_folder(dataset, beside),
        "sha256": dataset.sha256,
        "clips": len(dataset),
        "groups": len(set(dataset.groups)),
        "clips_of_label": dataset.label_counts,
        "groups_of_label": dataset.group_counts,
        "grouping": dataset.grouping,
        "notes": list(dataset.notes),
        "left_out": [
            {"file": problem.clip.name, "reason": problem.sentence}
            for problem in problems
        ],
        "clip_digests": short_digests(dataset),
    }


def _clips_folder(dataset: Dataset, beside: Path) -> str:
    """Returns the folder that the names of all clips start from, or "".

    Export finds the clips there again. A folder beside the run is written relative to
    the run, and moves with it.
    """
    found = set()
    for clip in dataset.clips:
        path, name = clip.path.parts, PurePosixPath(clip.name).parts
        if path[-len(name) :] != name:
            return ""
        found.add(Path(*path[: -len(name)]).absolute())
    if len(found) != 1:
        return ""
    folder, beside = found.pop(), beside.absolute()
    if folder.is_relative_to(beside.parent):
        return Path(os.path.relpath(folder, beside)).as_posix()
    return str(folder)


def versions() -> dict[str, str]:
    """Returns the versions of everything that can change a result."""
    found = {"cry-tf": __version__, "python": platform.python_version()}
    found |= {name: importlib.metadata.version(name) for name in _PACKAGES}
    return found | {"platform": platform.platform()}


def differences(
    earlier: Mapping[str, Any] | None, dataset: Dataset, weights_sha256: str | None
) -> list[str]:
    """Returns the differences of a run from an earlier one with its settings.

    Args:
        earlier: The `config.json` of that run, None for none.
        dataset: The clips to train on.
        weights_sha256: Digest of the weights to start from, or None.
    """
    if earlier is None:
        return []
    now = {
        "data.sha256": dataset.sha256,
        "weights.sha256": weights_sha256,
        **{f"versions.{name}": version for name, version in versions().items()},
    }
    found = []
    for name, value in now.items():
        part, key = name.split(".")
        was = earlier.get(part, {}).get(key)
        if was != value:
            found.append(
                f"the earlier run had {part} {key} {was}, this one has {value}: "
                "its figures will differ"
            )
    return found


def pretrained_overlap(pretrained_on: frozenset[str], dataset: Dataset) -> str | None:
    """Warns if the weights that a training started from were pretrained on these clips.

    Args:
        pretrained_on: Digests of the clips of the pretraining, see `short_digests`.
        dataset: The clips.
    """
    if not pretrained_on:
        return None
    count = sum(digest in pretrained_on for digest in short_digests(dataset))
    if not count:
        return None
    return (
        f"The weights that this training started from were pretrained on {count} of "
        f"these {len(dataset)} clips, without labels: the figures may be too good. "
        "Evaluate on other clips, or train with --weights none."
    )
