"""Embeddings of a frozen backbone, and what is said while they are computed."""

from __future__ import annotations

from typing import Any

from cry_tf.augment import Policy
from cry_tf.data import Dataset, EmbeddingCache, Embeddings
from cry_tf.training import memory
from cry_tf.training.listener import Listener


def embed(
    model: Any,
    dataset: Dataset,
    cache: EmbeddingCache,
    listener: Listener,
    policy: Policy | None = None,
    copies: int = 0,
    seed: int = 0,
) -> Embeddings:
    """Returns the embeddings of clips from the cache, or computes them.

    Args:
        model: A `CryModel`; its backbone is run.
        dataset: The clips.
        cache: Where embeddings are kept.
        listener: Hears how many are done, notes, and clips left out.
        policy: How augmented copies are made, or None.
        copies: Of each clip.
        seed: Draws them.

    Raises:
        ValueError: If no clip could be decoded, or the backbone gives NaN.
    """
    with listener.progress("embeddings", (1 + copies) * len(dataset)) as advance:
        told = 0

        def tell(done: int, _: int) -> None:
            nonlocal told
            for _ in range(done - told):
                advance()
            told = done

        advice = "What was computed is kept. Cut the longest clips into shorter ones."
        with memory.explained("clips went through the backbone", advice):
            found = cache.embed(
                model.backbone,
                dataset,
                progress=tell,
                augment=policy,
                copies=copies,
                seed=seed,
            )
    for note in found.notes:
        listener.line(f"  {note}")
    for problem in found.problems:
        listener.warn(f"left out: {problem.sentence}")
    return found
