"""The windows that a detector is trained on, drawn from the recordings of a run."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from cry_lite.sound_file import resample
from cry_lite.spec import FrontEndSpec
from cry_tf.augment.field_windows import FieldMix, FieldWindows, Recording
from cry_tf.data import Clip, Dataset, decoding, detection_labels, event_files
from cry_tf.data.bandwidth import USABLE_SHARE
from cry_tf.data.content_digest import content_digests
from cry_tf.training.settings import Settings

# Of a recording beyond this, pieces from all over it are as good as the whole.
_LONGEST_S = 600.0


@dataclass(frozen=True)
class FieldSounds:
    """Windows of a run, by number.

    Attributes:
        windows: What draws them.
        sample_rate_hz: Their rate, Hz: no higher than the model's bandwidth needs.
        digest: Of everything that decides them; part of their keys in a cache.
        is_cry: Bool `(windows,)`.
        places: For each window, the places of the recordings in it.
    """

    windows: FieldWindows
    sample_rate_hz: int
    digest: str
    is_cry: np.ndarray
    places: tuple[tuple[int, ...], ...]

    def __len__(self) -> int:
        """Returns the number of windows."""
        return len(self.windows)

    @property
    def keys(self) -> list[str]:
        """A name for each window, the same for the same sound."""
        return [f"{self.digest[:32]}-{number}" for number in range(len(self))]

    def waveform(self, number: int, sample_rate_hz: int) -> np.ndarray:
        """Returns a window, float32 `(samples,)` in [-1, 1]."""
        sound = self.windows[number].waveform
        sound = resample(sound, self.sample_rate_hz, sample_rate_hz)
        return np.clip(sound, -1, 1)

    def part(self, number: int) -> int:
        """Returns the fold of the recordings in a window."""
        return self.windows.recordings[self.places[number][0]].part

    def within(self, recordings: np.ndarray) -> np.ndarray:
        """Returns the windows whose recordings are all among these, int."""
        known = set(map(int, recordings))
        return np.array(
            [n for n, places in enumerate(self.places) if known.issuperset(places)], int
        )


def draw(
    dataset: Dataset,
    mix: FieldMix,
    settings: Settings,
    front_end: FrontEndSpec,
) -> FieldSounds:
    """Reads the recordings, and draws what each window is made of.

    Recordings of different folds are in no window together, so that a fold keeps all
    windows of its training clips.

    Args:
        dataset: The recordings, labelled `cry` and `no_cry`.
        mix: How windows are made.
        settings: Of the run: its folds and its seed.
        front_end: Of the model: its bandwidth.

    Raises:
        ValueError: If no fold has both labels, or the times of crying are of other
            recordings.
        OSError: If a recording cannot be decoded.
    """
    times = _times(settings.events, dataset)
    rate_hz = front_end.sample_rate_hz
    if front_end.cutoff_hz is not None:
        rate_hz = min(rate_hz, math.ceil(front_end.cutoff_hz / USABLE_SHARE))
    parts = np.empty(len(dataset), int)
    for part, (_, test) in enumerate(
        dataset.fold_indices(settings.folds, settings.seed)
    ):
        parts[test] = part
    recordings = []
    waveforms = dataset.waveforms(rate_hz, max_seconds=_LONGEST_S)
    for place, (clip, waveform) in enumerate(waveforms):
        recordings.append(
            Recording(
                np.round(np.clip(waveform, -1, 1) * 32767).astype(np.int16),
                clip.label == detection_labels.POSITIVE,
                clip.domain,
                clip.group,
                int(parts[place]),
                times.get(place),
            )
        )
    windows = FieldWindows(recordings, rate_hz, mix, settings.seed)
    plans = [windows.plan(number) for number in range(len(windows))]
    digest = hashlib.sha256(f"{mix.fingerprint()} {settings.seed} {rate_hz}".encode())
    contents = content_digests(clip.path for clip in dataset.clips)
    for each, content in zip(recordings, contents, strict=True):
        facts = (content, each.is_cry, each.domain, each.group, each.part)
        digest.update(repr((*facts, each.crying_s)).encode())
    return FieldSounds(
        windows,
        rate_hz,
        digest.hexdigest(),
        np.array([is_cry for is_cry, _ in plans]),
        tuple(places for _, places in plans),
    )


def write(
    sounds: FieldSounds,
    labels: Sequence[str],
    folder: Path,
    advance: Callable[[], None] = lambda: None,
) -> Dataset:
    """Writes every window as a FLAC file.

    Args:
        sounds: The windows.
        labels: `no_cry` and `cry`, in the order of the model.
        folder: Where to write, for its owner to delete.
        advance: Called after each window.

    Returns:
        The windows as clips. Windows of recordings of one fold are one group.

    Raises:
        OSError: If the disk is full.
    """
    clips = []

    def make(number: int) -> Path:
        path = folder / f"window{number:06d}.flac"
        sound = sounds.waveform(number, sounds.sample_rate_hz)
        soundfile.write(path, sound, sounds.sample_rate_hz, subtype="PCM_16")
        return path

    for number, path in decoding.ahead(make, range(len(sounds))):
        if isinstance(path, OSError):
            raise path
        is_cry = sounds.is_cry[number]
        label = detection_labels.POSITIVE if is_cry else detection_labels.NEGATIVE
        clips.append(Clip(path, label, f"part {sounds.part(number)}", name=path.name))
        advance()
    return Dataset(tuple(clips), tuple(labels))


def _times(
    events: str | None, dataset: Dataset
) -> dict[int, tuple[tuple[float, float], ...]]:
    """Returns starts and ends of crying by the place of the recording."""
    if events is None:
        return {}
    clips = dataset.clips
    files = event_files.read([Path(events).expanduser()])
    found = event_files.assign(files, [(clip.name, clip.path) for clip in clips]).events
    times = {}
    for place, own in found.items():
        crying, _ = event_files.crying(own)
        if crying:
            times[place] = tuple(sorted((each.start_s, each.end_s) for each in crying))
    if not times:
        raise ValueError(
            "The times of crying must be of recordings in the data. Received: "
            f"events={events!r}, which names none of them. Files are named relative to "
            "it."
        )
    return times
