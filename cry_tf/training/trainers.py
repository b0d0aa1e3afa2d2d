"""Finds the way to train that the settings ask for, and what it trains on."""

from __future__ import annotations

import dataclasses
from typing import Any

from cry_tf.data import EmbeddingCache
from cry_tf.training.fit import HeadTrainer, Trainer, WaveformTrainer
from cry_tf.training.fit_heads import FittedTrainer
from cry_tf.training.listener import Listener
from cry_tf.training.preparation import Prepared
from cry_tf.training.settings import Settings


def make_trainer(
    model: Any,
    prepared: Prepared,
    settings: Settings,
    listener: Listener,
    cache: EmbeddingCache,
) -> tuple[Trainer, Prepared]:
    """Returns a trainer, and the clips that it can train on.

    A recipe that trains the head alone gets its embeddings here, from the cache
    or computed once.

    Args:
        model: A `CryModel`.
        prepared: The clips.
        settings: Of the run.
        listener: Hears how many embeddings are done, and clips left out.
        cache: Where embeddings are kept.

    Raises:
        ValueError: If too few clips are left, or the backbone gives NaN.
    """
    recipe, seed = settings.recipe, settings.seed
    if recipe.trains == "all":
        return WaveformTrainer(model, prepared.dataset, recipe, seed), prepared
    embeddings = _embed(model, prepared, settings, listener, cache)
    for note in embeddings.notes:
        listener.line(f"  {note}")
    for problem in embeddings.problems:
        listener.warn(f"left out: {problem.sentence}")
    kept = embeddings.dataset
    kept.require_trainable(settings.task, settings.folds)
    trainer: Trainer
    if recipe.is_fitted:
        trainer = FittedTrainer(
            model, embeddings.values, kept.label_indices, kept.groups, recipe, seed
        )
    else:
        front_end = model.spec.front_end
        trainer = HeadTrainer(
            model,
            embeddings.values,
            kept.label_indices,
            recipe,
            seed,
            step_s=front_end.patch_hop_samples / front_end.sample_rate_hz,
        )
    problems = prepared.problems + embeddings.problems
    return trainer, dataclasses.replace(prepared, dataset=kept, problems=problems)


def _embed(
    model: Any,
    prepared: Prepared,
    settings: Settings,
    listener: Listener,
    cache: EmbeddingCache,
) -> Any:
    dataset = prepared.dataset
    with listener.progress("embeddings", len(dataset)) as advance:
        told = 0

        def tell(done: int, _: int) -> None:
            nonlocal told
            for _ in range(done - told):
                advance()
            told = done

        return cache.embed(model.backbone, dataset, progress=tell)
