"""Reads a labelled set of recordings: a folder per label, or a manifest CSV."""

from __future__ import annotations

import dataclasses
import functools
import operator
import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from cry_tf.data.clip import Clip, label_name
from cry_tf.data.dataset import Dataset
from cry_tf.data.grouping import assign_groups, plural
from cry_tf.data.manifest import read_manifest, some
from cry_tf.data.sound_source import is_sound_name


def load(
    path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    label_column: str = "label",
    group_by: str | None = None,
    domain_by: str | None = None,
) -> Dataset:
    """Reads a labelled set of recordings without decoding them.

    A folder holds one folder per label, with sound files at any depth:
    `hungry/clip.wav`, or `hungry/infant7/clip.wav` to name the infant.
    Hidden files are ignored; other files that are not sounds are counted. A
    folder with a `manifest.csv` in it is read through that manifest.

    A manifest is a CSV in UTF-8 with a header: `file` (relative to the CSV),
    the label column, and optionally `group`; further columns are kept in
    `Clip.columns`.

    `dataset.grouping` describes how clips were grouped by source (rules:
    `cry_tf.data.grouping`).

    Args:
        path: The folder or the CSV, or a list of them, joined as by
            `data_a + data_b`.
        label_column: Column of the manifest with the label. Default: `label`.
        group_by: Column of the manifest with the source of the clip. None, the
            default, takes `group`, and is required for a folder.
        domain_by: Column of the manifest with the recorder or data set that the clip
            came from. None, the default, takes `dataset`; where there is no such
            column and `path` lists several, each of them is a domain.

    Returns:
        The dataset, its labels in alphabetical order.

    Raises:
        FileNotFoundError: If `path`, or a file that the manifest lists, does
            not exist.
        ValueError: If nothing is found, a label is empty or holds a line break, a
            column is missing, a row is not one line with a value for each column,
            or a file is listed twice.
    """
    if not isinstance(path, (str, os.PathLike)):
        if not path:
            raise ValueError("path must name a folder or a CSV. Received: none.")
        parts = [load(each, label_column, group_by, domain_by) for each in path]
        if len(parts) > 1:
            names = _domain_names([Path(each).expanduser() for each in path])
            parts = [
                part if any(part.domains) else _of_domain(part, name)
                for part, name in zip(parts, names, strict=True)
            ]
        return functools.reduce(operator.add, parts)
    path = Path(path).expanduser()
    if path.is_dir():
        manifests = [p for p in path.iterdir() if p.name.lower() == "manifest.csv"]
        if manifests:
            dataset = _load_manifest(manifests[0], label_column, group_by, domain_by)
            note = f"Read through {manifests[0].name} in the folder."
            return dataset.with_notes(note)
        if group_by is not None:
            raise ValueError(
                "group_by names a column of a manifest CSV, and a folder has no "
                f"columns. Received: group_by={group_by!r} with the folder {path}. "
                "Sort the clips into label/infant/clip.wav, or write a manifest."
            )
        if domain_by is not None:
            raise ValueError(
                "domain_by names a column of a manifest CSV, and a folder has no "
                f"columns. Received: domain_by={domain_by!r} with the folder {path}. "
                "Name several folders, each a domain, or write a manifest."
            )
        return _load_folder(path)
    if path.is_file():
        if is_sound_name(path):
            raise ValueError(
                "A dataset is a folder per label or a manifest CSV. Received a "
                f"single sound file: {path}."
            )
        return _load_manifest(path, label_column, group_by, domain_by)
    raise FileNotFoundError(
        f"A dataset is a folder per label or a manifest CSV. Nothing is at {path}. "
        f"The working directory is {Path.cwd()}."
    )


def _load_folder(root: Path) -> Dataset:
    clips: list[Clip] = []
    ignored: Counter[str] = Counter()
    empty = []
    loose = 0
    for entry in sorted(root.iterdir()):
        if entry.name.startswith("."):
            continue
        if not entry.is_dir():
            if is_sound_name(entry):
                loose += 1
            else:
                ignored[entry.suffix.lower() or entry.name] += 1
            continue
        label = label_name(entry.name, f"the folder {os.fspath(entry)!r}")
        before = len(clips)
        for file in _walk(entry):
            if not is_sound_name(file):
                ignored[file.suffix.lower() or file.name] += 1
                continue
            inside = file.relative_to(entry).parts
            group = inside[0] if len(inside) > 1 else ""
            group = unicodedata.normalize("NFC", group)
            name = file.relative_to(root).as_posix()
            clips.append(Clip(file, label, group, name=name))
        if len(clips) == before:
            empty.append(entry.name)
    if not clips:
        raise ValueError(
            "A dataset folder holds one folder per label with sound files in it. "
            f"{root} holds no label folder with a sound file in it, "
            f"{plural(loose, 'sound file')} outside label folders and "
            f"{plural(ignored.total(), 'other file')}."
        )
    if empty:
        raise ValueError(
            "Every folder of a dataset is a label and holds at least one sound file. "
            f"Without any: {some([repr(name) for name in empty])}, in {root}. Add "
            "recordings or move the folder away."
        )
    notes = []
    if ignored:
        kinds = ", ".join(f"{kind} {count}" for kind, count in ignored.most_common(5))
        notes.append(
            f"{plural(ignored.total(), 'file')} ignored, no sound by name ({kinds})."
        )
    if loose:
        notes.append(f"{plural(loose, 'sound file')} ignored, outside label folders.")
    return _dataset(clips, "the folder inside the label folder", notes)


def _walk(folder: Path) -> Iterator[Path]:
    """Yields the files below a folder, hidden ones left out, links followed."""

    def refuse(error: OSError) -> None:
        raise error

    seen = set()
    for at, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
        real = os.path.realpath(at)
        # A link that leads back to its own parent would never end.
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                yield Path(at, name)


def _domain_names(paths: Sequence[Path]) -> list[str]:
    """Returns the name of each folder or CSV, the whole path where two are alike."""
    names = []
    for path in map(Path.absolute, paths):
        is_csv = path.is_file()
        names.append(path.parent.name if path.stem.lower() == "manifest" else path.stem)
        if not is_csv:
            names[-1] = path.name
    return [
        name if names.count(name) == 1 else str(path)
        for name, path in zip(names, paths, strict=True)
    ]


def _of_domain(dataset: Dataset, domain: str) -> Dataset:
    clips = (dataclasses.replace(clip, domain=domain) for clip in dataset.clips)
    return dataclasses.replace(dataset, clips=tuple(clips))


def _load_manifest(
    path: Path, label_column: str, group_by: str | None, domain_by: str | None
) -> Dataset:
    clips = read_manifest(path, label_column, group_by, domain_by)
    return _dataset(clips, f"the column {group_by or 'group'!r}", [])


def _dataset(clips: list[Clip], stated_rule: str, notes: Sequence[str]) -> Dataset:
    grouped, grouping = assign_groups(clips, stated_rule)
    labels = tuple(sorted({clip.label for clip in grouped}))
    return Dataset(grouped, labels, grouping=grouping, notes=tuple(notes))
