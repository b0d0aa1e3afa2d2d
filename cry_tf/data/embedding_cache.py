"""Embeddings of a frozen backbone, computed once for each recording and kept."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cry_tf.data import decoding
from cry_tf.data.clip import Augmentation, Problem
from cry_tf.data.embedding_plan import EmbeddingPlan
from cry_tf.data.embedding_shelf import Shelf
from cry_tf.data.embeddings import Embeddings
from cry_tf.data.extraction import Extractor, batches
from cry_tf.data.grouping import plural

if TYPE_CHECKING:
    from cry_hub.backbone import Backbone
    from cry_tf.data.dataset import Dataset


class EmbeddingCache:
    """Caches the embeddings that a frozen backbone gives of recordings.

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
        augment: Augmentation | None = None,
        copies: int = 0,
        seed: int = 0,
    ) -> Embeddings:
        """Returns the embeddings of every clip that can be decoded.

        New recordings are decoded in threads while the backbone works on the
        ones before, in batches of similar length. What is done is stored at
        once, so an interrupted run continues where it stopped.

        Args:
            backbone: The network; it is run as it is, in inference mode.
            dataset: The clips.
            batch_seconds: Seconds of sound in a batch, padding counted. A
                longer clip is a batch of its own. On a processor more is not
                faster (measured with YAMNet), and takes more memory.
            max_seconds: Keeps the beginning of longer clips, None the whole.
            progress: Called with (clips done, copies included; clips in all).
            augment: Makes the copies, or None if there are none.
            copies: Augmented copies of each clip, for training on besides the
                clip. They are kept under the policy's fingerprint, the seed and
                their number, so asking for more computes only those. What
                makes a clip longer than `max_seconds` is cut again.
            seed: Draws the copies, at least 0.

        Returns:
            The embeddings, with the clips left out in `problems`, and their
            `copies`.

        Raises:
            ValueError: If an argument breaks its rule, no clip could be
                decoded, a noise of the policy cannot be, or the backbone gives
                NaN or infinity.
        """
        decoding.check_arguments(1, "skip", max_seconds)
        if not batch_seconds > 0:
            raise ValueError(
                f"batch_seconds must be positive. Received: {batch_seconds=}."
            )
        if copies < 0 or seed < 0 or (copies > 0) != (augment is not None):
            raise ValueError(
                "Augmented copies take augment, copies of at least 1 and a seed of at "
                "least 0; without them, leave augment out and copies at 0. Received: "
                f"augment={augment and augment.name!r}, {copies=}, {seed=}."
            )
        if not dataset.clips:
            raise ValueError("Embedding needs at least one clip. The dataset is empty.")
        plan = EmbeddingPlan(dataset.clips, max_seconds, augment, copies, seed)
        extractor = Extractor(backbone)
        shelf = Shelf.of(self.dir, extractor)
        values = {}
        for key, value in decoding.ahead(shelf.load, plan.entries):
            if isinstance(value, np.ndarray):
                values[key] = value
        cached = set(values)

        def report() -> None:
            if progress is not None:
                done = sum(
                    keys[0] in plan.errors or all(key in values for key in keys)
                    for keys in plan.keys
                )
                progress(done, len(plan.keys))

        report()
        missing = [key for key in plan.entries if key not in values]
        waveforms = plan.waveforms(missing, extractor.sample_rate_hz)
        most_samples = round(batch_seconds * extractor.sample_rate_hz)
        for batch in batches(waveforms, most_samples):
            outputs = extractor([waveform for _, waveform in batch])
            for (key, _), value in zip(batch, outputs, strict=True):
                if not np.isfinite(value).all():
                    raise ValueError(
                        f"{type(backbone).__name__} gives NaN or infinity for "
                        f"{plan.entries[key].clip.path}: its weights are not usable."
                    )
                values[key] = value
                shelf.save(key, value)
            report()

        problems = tuple(
            Problem(clip, str(plan.errors[keys[0]]))
            for clip, keys in zip(dataset.clips, plan.keys, strict=True)
            if keys[0] in plan.errors
        )
        kept = [i for i, keys in enumerate(plan.keys) if keys[0] not in plan.errors]
        if not kept:
            raise ValueError(
                f"None of {plural(len(plan.keys), 'clip')} could be decoded. The "
                f"first: {problems[0].sentence}"
            )
        copied = {key for key in values if plan.entries[key].copy is not None}
        notes = [
            f"Embeddings of {plural(len(cached - copied), 'recording')} read from "
            f"{shelf.folder}, {len(values.keys() - copied - cached)} computed.",
            *shelf.notes,
        ]
        if augment is not None:
            notes.append(
                f"Of augmented copies ({augment.name}) {len(cached & copied)} read, "
                f"{len(copied - cached)} computed."
            )
        return Embeddings(
            tuple(values[plan.keys[place][0]] for place in kept),
            dataset.subset(kept),
            problems,
            tuple(notes),
            tuple(
                tuple(values[key] for key in plan.keys[place][1:])
                for place in (kept if copies else ())
            ),
        )
