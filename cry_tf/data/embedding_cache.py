"""Embeddings of a frozen backbone, computed once for each recording and kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cry_tf.data import decoding, sound_source
from cry_tf.data.clip import Clip, Problem
from cry_tf.data.content import content_sha256
from cry_tf.data.embedding_shelf import Shelf
from cry_tf.data.embeddings import Embeddings
from cry_tf.data.extraction import Extractor, batches
from cry_tf.data.grouping import plural

if TYPE_CHECKING:
    from cry_hub.backbone import Backbone
    from cry_tf.data.dataset import Dataset


class EmbeddingCache:
    """Keeps what a frozen backbone makes of recordings.

    An entry belongs to the bytes of a sound file and to one backbone (class,
    settings, weights, and what it makes of a fixed waveform), so a renamed file
    keeps its entry and a retrained backbone gets new ones. Several processes
    may use one folder at once. Nothing is ever deleted: to make room, delete the
    folder.

    Args:
        dir: The folder. None takes `embeddings` in `$CRY_TF_HOME`, or in
            `~/.cache/cry-tf`.
    """

    def __init__(self, dir: str | os.PathLike[str] | None = None) -> None:
        if dir is None:
            from cry_hub.weights.store import cache_dir

            dir = cache_dir() / "embeddings"
        self.dir = Path(dir).expanduser()

    def embed(
        self,
        backbone: Backbone,
        dataset: Dataset,
        batch_seconds: float = 30.0,
        max_seconds: float | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Embeddings:
        """Returns the embeddings of every clip that can be decoded.

        New recordings are decoded in threads while the backbone works on the
        ones before, in batches of similar length. What is done is stored at
        once, so an interrupted run goes on where it stopped.

        Args:
            backbone: The network; it is run as it is, in inference mode.
            dataset: The clips.
            batch_seconds: Seconds of sound in a batch, padding counted. A
                longer clip is a batch of its own. On a processor more is not
                faster (measured with YAMNet), and takes more memory.
            max_seconds: Keeps the beginning of longer clips, None the whole.
            progress: Called with (clips done, clips in all).

        Returns:
            The embeddings, with the clips left out in `problems`.

        Raises:
            ValueError: If an argument breaks its rule, no clip could be
                decoded, or the backbone gives NaN or infinity.
        """
        decoding.check_arguments(1, "skip", max_seconds)
        if not batch_seconds > 0:
            raise ValueError(
                f"batch_seconds must be positive. Received: {batch_seconds=}."
            )
        if not dataset.clips:
            raise ValueError("Embedding needs at least one clip. The dataset is empty.")
        errors: dict[str, OSError] = {}  # by content, or by path where unreadable
        keys = []
        by_key: dict[str, Clip] = {}
        for clip, content in decoding.ahead(_content_of, dataset.clips):
            if isinstance(content, OSError):
                content, error = os.fspath(clip.path), content
                errors[content] = error
            key = content if max_seconds is None else f"{content}-{max_seconds:g}s"
            keys.append(key)
            by_key.setdefault(key, clip)

        extractor = Extractor(backbone)
        shelf = Shelf.of(self.dir, extractor)
        wanted = [key for key in by_key if key not in errors]
        values = {}
        for key, value in decoding.ahead(shelf.load, wanted):
            if isinstance(value, np.ndarray):
                values[key] = value
        cached = len(values)

        def report() -> None:
            if progress is not None:
                progress(sum(k in values or k in errors for k in keys), len(keys))

        report()
        missing = {key: by_key[key] for key in wanted if key not in values}
        decoded = _decoded(missing, extractor.sample_rate_hz, max_seconds, errors)
        most_samples = round(batch_seconds * extractor.sample_rate_hz)
        for batch in batches(decoded, most_samples):
            outputs = extractor([waveform for _, waveform in batch])
            for (key, _), value in zip(batch, outputs, strict=True):
                if not np.isfinite(value).all():
                    raise ValueError(
                        f"{type(backbone).__name__} gives NaN or infinity for "
                        f"{by_key[key].path}: its weights are not usable."
                    )
                values[key] = value
                shelf.save(key, value)
            report()

        problems = tuple(
            Problem(clip, str(errors[key]))
            for clip, key in zip(dataset.clips, keys, strict=True)
            if key in errors
        )
        kept = [place for place, key in enumerate(keys) if key in values]
        if not kept:
            raise ValueError(
                f"None of {plural(len(keys), 'clip')} could be decoded. The first: "
                f"{problems[0].sentence}"
            )
        notes = [
            f"Embeddings of {plural(cached, 'recording')} read from {shelf.folder}, "
            f"{len(values) - cached} computed.",
            *shelf.notes,
        ]
        return Embeddings(
            tuple(values[keys[place]] for place in kept),
            dataset.subset(kept),
            problems,
            tuple(notes),
        )


def _content_of(clip: Clip) -> str:
    return content_sha256(clip.path)


def _decoded(
    clips: dict[str, Clip],
    sample_rate_hz: int,
    max_seconds: float | None,
    errors: dict[str, OSError],
) -> Iterator[tuple[str, np.ndarray]]:
    """Yields (key, waveform), shorter clips first; what fails goes to `errors`."""
    durations = {}
    for key, info in decoding.ahead(lambda k: sound_source.info(clips[k].path), clips):
        if isinstance(info, OSError):
            errors[key] = info
        else:
            durations[key] = info.duration_s

    def decode(key: str) -> np.ndarray:
        return decoding.read(clips[key], sample_rate_hz, max_seconds)

    shortest_first = sorted(durations, key=lambda key: durations[key])
    for key, waveform in decoding.ahead(decode, shortest_first):
        if isinstance(waveform, OSError):
            errors[key] = waveform
        else:
            yield key, waveform
