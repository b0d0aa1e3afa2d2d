"""Which embeddings a dataset needs, under which names, and their waveforms."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from cry_tf.data import decoding, sound_source
from cry_tf.data.clip import Augmentation, Clip
from cry_tf.data.content_digest import content_sha256


class Entry(NamedTuple):
    """One waveform to embed: a recording as it is, or an augmented copy of it.

    Attributes:
        clip: The recording, or one of several with the same content.
        content: SHA-256 of its bytes, in hexadecimal.
        copy: Number of the copy, or None for the recording itself.
    """

    clip: Clip
    content: str
    copy: int | None


@dataclass
class EmbeddingPlan:
    """The entries of a dataset, by their key in the cache.

    Args:
        clips: The recordings.
        max_seconds: Keeps the beginning of longer ones, None the whole.
        augment: Makes the copies.
        copies: Copies of each recording.
        seed: Draws the copies. A copy depends on the recording's content, its
            number and the seed, not on the rest of the dataset.

    Attributes:
        keys: For each clip the keys of itself and of its copies; one that names
            no entry if the file cannot be read.
        entries: The entries by key; recordings with the same content share one.
        errors: What cannot be read or decoded, by the first of its keys.
    """

    clips: Sequence[Clip]
    max_seconds: float | None
    augment: Augmentation | None
    copies: int
    seed: int
    keys: list[tuple[str, ...]] = field(init=False, default_factory=list)
    entries: dict[str, Entry] = field(init=False, default_factory=dict)
    errors: dict[str, OSError] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Reads the contents' digests."""
        made = ""
        if self.augment is not None:
            made = f"{self.augment.fingerprint()[:16]}-{self.seed}"
        for clip, content in decoding.ahead(_content_of, self.clips):
            if isinstance(content, OSError):
                key = os.fspath(clip.path)
                self.errors[key] = content
                self.keys.append((key,))
                continue
            limit = "" if self.max_seconds is None else f"-{self.max_seconds:g}s"
            keys = [content + limit]
            keys += [f"{keys[0]}-{made}-{copy}" for copy in range(self.copies)]
            self.keys.append(tuple(keys))
            for key, copy in zip(keys, (None, *range(self.copies)), strict=True):
                self.entries.setdefault(key, Entry(clip, content, copy))

    def waveforms(
        self, keys: Sequence[str], sample_rate_hz: int
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Yields (key, waveform), shorter clips first; what fails goes to `errors`."""
        durations = {}
        for key, info in decoding.ahead(self._info, keys):
            if isinstance(info, OSError):
                self._fail(key, info)
            else:
                durations[key] = info.duration_s

        def decode(key: str) -> np.ndarray:
            return self.waveform(self.entries[key], sample_rate_hz)

        shortest_first = sorted(durations, key=lambda key: durations[key])
        for key, waveform in decoding.ahead(decode, shortest_first):
            if isinstance(waveform, OSError):
                self._fail(key, waveform)
            else:
                yield key, waveform

    def _info(self, key: str):
        return sound_source.info(self.entries[key].clip.path)

    def _fail(self, key: str, error: OSError) -> None:
        content = self.entries[key].content
        for keys in self.keys:
            if keys[0].startswith(content):
                self.errors[keys[0]] = error

    def waveform(self, entry: Entry, sample_rate_hz: int) -> np.ndarray:
        """Returns the waveform of an entry, float32 `(samples,)`.

        Raises:
            OSError: If the clip cannot be decoded.
            ValueError: If a noise of the policy cannot be.
        """
        waveform = decoding.read(entry.clip, sample_rate_hz, self.max_seconds)
        if entry.copy is None or self.augment is None:
            return waveform
        rng = np.random.default_rng([self.seed, entry.copy, int(entry.content, 16)])
        try:
            copy = self.augment(waveform, sample_rate_hz, rng)
        except OSError as error:
            # A noise file failed, not the clip: do not leave the clip out.
            raise ValueError(str(error)) from error
        return decoding.cut(copy, sample_rate_hz, self.max_seconds)


def _content_of(clip: Clip) -> str:
    return content_sha256(clip.path)
