"""Names and contents of the result files of many sound files."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cry_lite.events import to_audacity, to_csv, to_raven, write_text
from cry_lite.sound_pipe import STANDARD_INPUT

if TYPE_CHECKING:
    from cry_lite.detector import Analysis, Analyzer

ENDINGS = {
    "csv": ".csv",
    "json": ".json",
    "audacity": ".audacity.txt",
    "raven": ".raven.txt",
}
"""The formats, and how the names of their files end."""

# What file systems allow, less an ending, a number, and what a part file adds.
_LONGEST_BYTES = 255 - max(map(len, ENDINGS.values())) - len("-99999..99999999.part")


def plan(
    sounds: Sequence[str], folder: str | os.PathLike[str], formats: Iterable[str]
) -> list[dict[str, Path]]:
    """Names the result files of every sound file, no two alike.

    `day1/cry.wav` becomes `cry.csv`. Where two sound files would share a name, in
    any case of letters, both keep their folders and ending: `day1_cry.wav.csv` and
    `day2_cry.wav.csv`. A name too long for a file system loses its end to `~` and 8
    digits of its SHA-256.

    Args:
        sounds: Paths of the sound files, all different.
        folder: Where the results go.
        formats: Keys of `ENDINGS`.

    Returns:
        For each sound file, its result file in each format.
    """
    sounds = ["stdin" if sound == STANDARD_INPUT else sound for sound in sounds]
    stems = [Path(sound).stem for sound in sounds]
    alike = Counter(stem.casefold() for stem in stems)
    shared = _common_folder(sounds)
    names: list[str] = []
    taken: set[str] = set()
    for sound, stem in zip(sounds, stems, strict=True):
        name = stem
        if alike[stem.casefold()] > 1:
            below = os.path.relpath(os.path.abspath(sound), shared) if shared else sound
            name = "_".join(part for part in Path(below).parts if part != os.sep)
        name = _shortened(name)
        number, base = 1, name
        while name.casefold() in taken:
            number += 1
            name = f"{base}-{number}"
        taken.add(name.casefold())
        names.append(name)
    return [
        {form: Path(folder) / f"{name}{ENDINGS[form]}" for form in formats}
        for name in names
    ]


def check_writable(folder: str | os.PathLike[str]) -> None:
    """Refuses, before any work, a folder that is not writable.

    Args:
        folder: A folder that exists or will be created.

    Raises:
        NotADirectoryError: If it, or a parent folder, is a file.
        PermissionError: If it, or the parent folder, is not writable.
    """
    place = Path(folder).absolute()
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise NotADirectoryError(f"{place} must be a folder. It is a file.")
    if not os.access(place, os.W_OK | os.X_OK):
        raise PermissionError(f"The folder {place} must be writable.")


def write(
    analysis: Analysis, analyzer: Analyzer, files: dict[str, Path], overwrite: bool
) -> None:
    """Writes the result files of one sound file.

    Args:
        analysis: Scores and events of the sound file.
        analyzer: The model; the JSON includes its digest.
        files: Format to file, as `plan` gives them.
        overwrite: Replace files that exist.

    Raises:
        FileExistsError: If a file exists and `overwrite` is False.
        OSError: If a file cannot be written.
    """
    events = analysis.events
    for form, path in files.items():
        if form == "csv":
            text = to_csv(events)
        elif form == "audacity":
            text = to_audacity(events)
        elif form == "raven":
            text = to_raven(events, max_hz=analysis.sample_rate_hz / 2)
        else:
            text = _to_json(analysis, analyzer)
        write_text(path, text, overwrite)


def _to_json(analysis: Analysis, analyzer: Analyzer) -> str:
    import json

    from cry_lite import __version__

    values = {
        **analysis.to_dict(),
        "windows_s": [[round(x, 3) for x in row] for row in analysis.windows.tolist()],
        "window_scores": [
            [round(x, 6) for x in row] for row in analysis.scores.tolist()
        ],
        "model_sha256": analyzer.metadata.flatbuffer_sha256,
        "model": analyzer.spec.to_dict(),
        "cry_tf_version": __version__,
    }
    # A line a key: a night of scores stays readable beside its events.
    lines = (f"{json.dumps(key)}: {json.dumps(value)}" for key, value in values.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _shortened(name: str) -> str:
    """Returns a name of at most `_LONGEST_BYTES`, always the same for the same."""
    raw = os.fsencode(name)
    if len(raw) <= _LONGEST_BYTES:
        return name
    digest = "~" + hashlib.sha256(raw).hexdigest()[:8]
    kept = raw[: _LONGEST_BYTES - len(digest)].decode("utf-8", "ignore")
    return kept + digest


def _common_folder(sounds: Sequence[str]) -> str | None:
    folders = [os.path.dirname(os.path.abspath(sound)) for sound in sounds]
    try:
        return os.path.commonpath(folders)
    except ValueError:  # Different drives, or no sounds at all.
        return None
