"""One labelled recording, and what can be wrong with it."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import numpy as np

OnError = Literal["raise", "skip"]

# A .tflite holds its labels one a line, so do reports and terminals.
_CONTROL = {"Cc", "Zl", "Zp", "Cs"}


def label_name(label: str, place: str = "") -> str:
    """Returns a label in its normal form, which is used everywhere.

    Args:
        label: As a user wrote it. Of a letter with an accent Unicode knows two forms,
            which look the same (macOS gives the decomposed one).
        place: File or row that holds it, for the error message.

    Returns:
        The label in Unicode's composed form (NFC).

    Raises:
        ValueError: If it is no text, or holds a line break or another control
            character.
    """
    if not isinstance(label, str) or any(
        unicodedata.category(character) in _CONTROL for character in label
    ):
        where = f" ({place})" if place else ""
        raise ValueError(
            "A label is text on one line, without line breaks or other control "
            f"characters. Received: {label!r}{where}. Rename it."
        )
    return unicodedata.normalize("NFC", label)


@dataclass(frozen=True)
class Clip:
    """A sound file with its label and its source.

    Attributes:
        path: The sound file.
        label: Name of the label.
        group: Its source (infant, device, recording). A split never separates
            clips of one group.
        columns: Further columns of its manifest row, empty for a folder.
        name: The path as the dataset writes it, relative to the folder or
            the manifest, with forward slashes. `path` where it is not given.
        domain: The recorder or data set that it came from, empty where that is
            not stated.
    """

    path: Path
    label: str
    group: str
    columns: Mapping[str, str] = field(default_factory=dict, hash=False)
    name: str = ""
    domain: str = ""

    def __post_init__(self) -> None:
        """Accepts a path as text, composes the label and fills in the name."""
        object.__setattr__(self, "path", Path(self.path))
        if not self.name:
            object.__setattr__(self, "name", self.path.as_posix())
        object.__setattr__(self, "label", label_name(self.label, self.name))


class Problem(NamedTuple):
    """What is wrong with one clip.

    Attributes:
        clip: The clip.
        sentence: The problem, with the file's name.
        is_usable: True if the clip can still be used for training (for example, if
            it is clipped), False if it should be left out.
    """

    clip: Clip
    sentence: str
    is_usable: bool = False


def class_indices(clips: Sequence[Clip], labels: Sequence[str]) -> np.ndarray:
    """Returns the place of each clip's label among `labels`, int32 `(clips,)`.

    Raises:
        ValueError: If a clip has another label.
    """
    place = {label: index for index, label in enumerate(labels)}
    missing = sorted({clip.label for clip in clips}.difference(place))
    if missing:
        raise ValueError(
            f"Clips must have labels of {', '.join(labels)}. Received: clips of "
            f"{', '.join(missing)}. Build the model with labels=data.labels, or "
            "rename them: data.map_labels(...)."
        )
    return np.array([place[clip.label] for clip in clips], np.int32)


class LabelledClips(Protocol):
    """The part of `Dataset` that decoding and joining use; they cannot import it."""

    def __len__(self) -> int:
        """Returns the number of clips."""
        ...

    @property
    def clips(self) -> tuple[Clip, ...]:
        """The recordings, in a fixed order."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes."""
        ...

    @property
    def problems(self) -> list[Problem]:
        """Clips that could not be decoded."""
        ...

    @property
    def grouping(self) -> str:
        """How clips were grouped by source, in words."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """Further remarks on how it was read."""
        ...


class Augmentation(Protocol):
    """Changes the waveform of a clip; `cry_tf.augment.Policy` is one."""

    @property
    def name(self) -> str:
        """Its name in records."""
        ...

    def __call__(
        self, waveform: np.ndarray, sample_rate_hz: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Augments one clip, float32 `(samples,)`."""
        ...

    def fingerprint(self) -> str:
        """Returns a digest of everything but the name."""
        ...
