"""Trains a detector on windows as any recorder gets them, and scores it as it runs.

`cry_tf.augment.field_windows` draws the windows that the head is trained on. A
recording is scored as on a device: in windows every hop, with the answer of
`cry_lite.decision`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from cry_lite.decision import decide
from cry_lite.windows import window_samples_of, window_starts
from cry_tf.augment.field_windows import FieldMix
from cry_tf.data import Dataset, decoding
from cry_tf.data.content_digest import content_digests
from cry_tf.data.embedding_shelf import Shelf
from cry_tf.data.extraction import Extractor, batches
from cry_tf.runs import memory
from cry_tf.training.context import RunContext
from cry_tf.training.field_sounds import FieldSounds, draw
from cry_tf.training.head_trainer import HeadTrainer
from cry_tf.training.settings import Settings
from cry_tf.training.trainer import Fold, History, OnEpoch

_BATCH_S = 96.0


class FieldTrainer:
    """Trains the head of a detector on drawn windows; see `Trainer`.

    A fold is trained on the windows whose recordings are all among its training
    clips.

    Args:
        model: A `CryDetector`.
        head: Trains its head; its clips are the drawn windows, then the windows of
            the recordings, in their order.
        sounds: The drawn windows.
        starts: For each recording the first sample of each of its windows.
        samples: Of each recording.

    Attributes:
        model: The `CryDetector`.
        sounds: The drawn windows.
    """

    def __init__(
        self,
        model: Any,
        head: HeadTrainer,
        sounds: FieldSounds,
        starts: Sequence[Sequence[int]],
        samples: Sequence[int],
    ):
        self.model, self._head, self.sounds = model, head, sounds
        self._starts, self._samples = starts, samples
        counts = [len(each) for each in starts]
        self._first = (len(sounds) + np.cumsum([0, *counts])).tolist()
        self.epochs = head.epochs
        self.notes = (
            f"the head is trained on {len(sounds):,} drawn windows of "
            f"{model.spec.decision.window_s:g} s; recordings are scored in windows, as "
            "on a device",
        )

    def reset(self) -> None:
        """Puts back the weights, optimizer and random state of the beginning."""
        self._head.reset()

    def fit(
        self,
        indices: np.ndarray,
        on_epoch: OnEpoch | None = None,
        fold: Fold | None = None,
    ) -> History:
        """Trains on the windows of these recordings; see `Trainer`."""
        return self._head.fit(self.sounds.within(indices), on_epoch, fold)

    def predict(self, indices: np.ndarray) -> np.ndarray:
        """Scores recordings in windows; see `Trainer`."""
        spec = self.model.spec
        rate_hz, (length, _) = spec.sample_rate_hz, window_samples_of(spec)
        rows = [np.arange(self._first[n], self._first[n + 1]) for n in indices]
        scores = self._head.predict(np.concatenate(rows))
        found, at = [], 0
        for place, row in zip(indices, rows, strict=True):
            starts, samples = np.array(self._starts[place]), self._samples[place]
            ends = np.minimum(starts + length, samples)
            own = scores[at : at + len(row)]
            at += len(row)
            answer = decide(
                starts / rate_hz, ends / rate_hz, own, spec, samples / rate_hz
            )
            found.append(answer.scores)
        return np.stack(found)


def make_field_trainer(
    model: Any,
    dataset: Dataset,
    settings: Settings,
    context: RunContext,
) -> FieldTrainer:
    """Draws the windows, and computes every embedding that is not in the cache.

    Args:
        model: A `CryDetector`, its backbone frozen.
        dataset: The recordings, labelled as the model is.
        settings: Of the run.
        context: Its cache, and its progress.

    Raises:
        ValueError: If no fold has both labels, or the backbone gives NaN.
        OSError: If a recording cannot be decoded.
    """
    spec = model.spec
    mix = FieldMix(windows=settings.recipe.windows, window_s=spec.decision.window_s)
    sounds = draw(dataset, mix, settings, spec.front_end)
    extractor = Extractor(model.backbone)
    shelf = Shelf.of(context.embeddings.dir, extractor)
    with context.progress.bar("drawn windows", len(sounds)) as advance:
        drawn = _embed(
            extractor,
            shelf,
            sounds.keys,
            lambda missing: _drawn(sounds, missing, spec.sample_rate_hz),
            advance,
        )
    samples, starts, keys = _windows_of(dataset, spec)
    with context.progress.bar("windows of recordings", len(keys)) as advance:
        scored = _embed(
            extractor,
            shelf,
            keys,
            lambda missing: _cut(dataset, spec, starts, keys, missing),
            advance,
        )
    for note in shelf.notes:
        context.progress.line(f"  {note}")
    truth = sounds.is_cry.astype(np.int32)
    clips = np.repeat(dataset.label_indices, [len(each) for each in starts])
    names = [f"drawn window {number}" for number in range(len(sounds))]
    front_end = spec.front_end
    head = HeadTrainer(
        model,
        [*drawn, *scored],
        np.concatenate([truth, clips]),
        settings.recipe,
        settings.seed,
        step_s=front_end.patch_hop_samples / front_end.sample_rate_hz,
        names=[*names, *keys],
    )
    return FieldTrainer(model, head, sounds, starts, samples)


def _windows_of(
    dataset: Dataset, spec: Any
) -> tuple[list[int], list[list[int]], list[str]]:
    """Returns samples and starts of windows of each recording, and a key a window."""
    length, hop = window_samples_of(spec)
    rate_hz = spec.sample_rate_hz
    contents = content_digests(clip.path for clip in dataset.clips)
    samples, starts, keys = [], [], []
    for (_, waveform), content in zip(
        dataset.waveforms(rate_hz), contents, strict=True
    ):
        samples.append(len(waveform))
        starts.append(window_starts(len(waveform), length, hop))
        keys += [f"{content}-{start}+{length}" for start in starts[-1]]
    return samples, starts, keys


def _drawn(
    sounds: FieldSounds, missing: set[str], sample_rate_hz: int
) -> Iterator[tuple[str, np.ndarray]]:
    keys = sounds.keys
    numbers = [number for number, key in enumerate(keys) if key in missing]

    def make(number: int) -> np.ndarray:
        return sounds.waveform(number, sample_rate_hz)

    for number, waveform in decoding.ahead(make, numbers):
        if isinstance(waveform, OSError):
            raise waveform
        yield keys[number], waveform


def _cut(
    dataset: Dataset,
    spec: Any,
    starts: Sequence[Sequence[int]],
    keys: Sequence[str],
    missing: set[str],
) -> Iterator[tuple[str, np.ndarray]]:
    length, _ = window_samples_of(spec)
    ends = np.cumsum([len(each) for each in starts])
    lacking = [
        place
        for place, end in enumerate(ends)
        if not missing.isdisjoint(keys[end - len(starts[place]) : end])
    ]
    waveforms = dataset.subset(lacking).waveforms(spec.sample_rate_hz)
    for place, (_, waveform) in zip(lacking, waveforms, strict=True):
        own = keys[ends[place] - len(starts[place]) : ends[place]]
        for start, key in zip(starts[place], own, strict=True):
            if key in missing:
                yield key, waveform[start : start + length]


def _embed(
    extractor: Extractor,
    shelf: Shelf,
    keys: Sequence[str],
    make: Callable[[set[str]], Iterable[tuple[str, np.ndarray]]],
    advance: Callable[[], None],
) -> list[np.ndarray]:
    """Returns the embeddings `(time, features)` of windows, from the cache or new."""
    values = {}
    for key, value in decoding.ahead(shelf.load, dict.fromkeys(keys)):
        if isinstance(value, np.ndarray):
            values[key] = value
            advance()
    missing = {key for key in keys if key not in values}
    most_samples = round(_BATCH_S * extractor.sample_rate_hz)
    for batch in batches(make(missing), most_samples):
        with memory.explained("windows went through the backbone", ""):
            outputs = extractor([waveform for _, waveform in batch])
        for (key, _), value in zip(batch, outputs, strict=True):
            if not np.isfinite(value).all():
                raise ValueError(
                    f"{type(extractor.backbone).__name__} gives NaN or infinity for "
                    f"{key}: its weights are not usable."
                )
            values[key] = value
            shelf.save(key, value)
            advance()
    return [values[key] for key in keys]
