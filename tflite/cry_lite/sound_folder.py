"""Finds the sound files that are meant by names of files and folders."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable

SUFFIXES = frozenset(
    (".aif", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga", ".ogg", ".opus")
    + (".rf64", ".snd", ".w64", ".wav", ".wave")
)
"""Names that a folder is searched for; a file named directly may have any."""


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
        cannot be read or has none.
    """
    sounds: dict[str, str] = {}  # Real path to the name that was given first.
    problems: list[str] = []
    for name in names:
        found = [name]
        if os.path.isdir(name):
            found = []
            walk = os.walk(name, onerror=lambda error: problems.append(str(error)))
            for folder, below, files in walk:
                # Hidden ones are what systems leave behind, such as ._cry.wav.
                below[:] = sorted(entry for entry in below if entry[0] != ".")
                found += [
                    os.path.join(folder, file)
                    for file in sorted(files)
                    if file[0] != "." and os.path.splitext(file)[1].lower() in suffixes
                ]
            if not found:
                endings = " ".join(sorted(suffixes))
                problems.append(f"{name} has no sound files below it ({endings}).")
        for path in found:
            sounds.setdefault(os.path.realpath(path), path)
    return list(sounds.values()), problems
