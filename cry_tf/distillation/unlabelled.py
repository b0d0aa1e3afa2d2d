"""Unlabelled recordings, cut into windows that a student can hear."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from cry_lite.errors import SoundFileError
from cry_tf.data import sound_source
from cry_tf.data.clip import Clip
from cry_tf.data.content import content_sha256
from cry_tf.data.dataset import Dataset
from cry_tf.data.grouping import known_source, plural
from cry_tf.runs.progress import Listener

# A shorter rest tells a network little.
_LEAST_S = 1.0


def cut_windows(
    folder: str | os.PathLike[str],
    labelled: Dataset,
    window_s: float,
    work: Path,
    listener: Listener,
) -> tuple[Clip, ...]:
    """Cuts every recording below a folder into windows, each a file of its own.

    Recordings that are among the labelled clips, by content or by the source that
    their name tells, are left out: a fold's test clips must not be heard. Silent
    windows are left out too.

    Args:
        folder: Holds sound files at any depth.
        labelled: The labelled clips.
        window_s: Length of a window, seconds; the last one of a recording is
            shorter.
        work: Where the windows are written.
        listener: Hears what was left out, and how many windows there are.

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
            listener.warn(f"left out: {error}")
            continue
        for start_s, waveform, rate_hz in windows:
            path = work / f"{number:05d}-{start_s:.2f}.wav"
            soundfile.write(path, waveform, rate_hz, subtype="PCM_16")
            clips.append(
                Clip(path, labelled.labels[0], group, name=f"{name}@{start_s:g}")
            )
    if among:
        listener.warn(
            f"{plural(among, 'unlabelled recording')} left out: of the source of a "
            "labelled clip"
        )
    if not clips:
        raise ValueError(
            "--unlabelled takes a folder with recordings that are not among the "
            f"labelled ones. {root} holds {plural(len(files), 'sound file')}, of which "
            "none can be used."
        )
    listener.line(
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
