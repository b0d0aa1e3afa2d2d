"""Finds the sound files that are meant by names of files and folders."""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Iterable

_MOST_NAMED = 5

SUFFIXES = frozenset(
    (".aif", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga", ".ogg", ".opus")
    + (".rf64", ".snd", ".w64", ".wav", ".wave")
)
"""Names that a folder is searched for; a file named directly may have any."""

CONTAINER_SUFFIXES = frozenset(
    (".3g2", ".3gp", ".3gpp", ".aac", ".ac3", ".amr", ".ape", ".avi", ".awb", ".caf")
    + (".flv", ".m4a", ".m4b", ".m4r", ".m4v", ".mka", ".mkv", ".mov", ".mp2", ".mp4")
    + (".mpeg", ".mpg", ".qt", ".webm", ".wma", ".wmv", ".wv")
)
"""Names of sound and video files that it takes PyAV to decode, which `cry-tf` uses."""


def find_sounds(
    names: Iterable[str], suffixes: Collection[str] = SUFFIXES
) -> tuple[list[str], list[str]]:
    """Returns the sound files that are named or lie below a named folder.

    Args:
        names: Paths of files, taken as they are, and of folders, searched for names
            that end as in `suffixes`. Hidden files and folders are left out.
        suffixes: Endings of names in lower case, each with its dot.

    Returns:
        The sound files, each once however often it is named, in the order of
        `names` and sorted within a folder; and a sentence for each folder that
        cannot be read, has none, or has sound or video files of other formats.
    """
    sounds: dict[str, str] = {}  # Real path to the name that was given first.
    problems: list[str] = []
    for name in names:
        found = [name]
        if os.path.isdir(name):
            found, other = [], []
            walk = os.walk(name, onerror=lambda error: problems.append(str(error)))
            for folder, below, files in walk:
                # Hidden ones are what systems leave behind, such as ._cry.wav.
                below[:] = sorted(entry for entry in below if entry[0] != ".")
                for file in sorted(files):
                    suffix = os.path.splitext(file)[1].lower()
                    if file[0] == ".":
                        continue
                    if suffix in suffixes:
                        found.append(os.path.join(folder, file))
                    elif suffix in CONTAINER_SUFFIXES:
                        other.append(os.path.join(folder, file))
            if other:
                problems.append(_not_analysed(other))
            elif not found:
                endings = " ".join(sorted(suffixes))
                problems.append(f"{name} has no sound files below it ({endings}).")
        for path in found:
            sounds.setdefault(os.path.realpath(path), path)
    return list(sounds.values()), problems


def _not_analysed(files: list[str]) -> str:
    """Returns a sentence on sound files of formats that are not read here."""
    some = ", ".join(files[:_MOST_NAMED])
    if len(files) > _MOST_NAMED:
        some += f" and {len(files) - _MOST_NAMED} more"
    were = "was" if len(files) == 1 else "were"
    return (
        f"{some} {were} left out, in a format that is not read here. Convert to WAV or "
        f"FLAC first: ffmpeg -i {shlex.quote(files[0])} sound.wav"
    )
