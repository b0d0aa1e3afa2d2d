"""Finds the way to train that the settings ask for, and what it trains on."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from cry_tf.augment import Policy, policies
from cry_tf.data import Dataset, EmbeddingCache, Embeddings
from cry_tf.training.fit import HeadTrainer, Trainer, WaveformTrainer
from cry_tf.training.fit_heads import FittedTrainer
from cry_tf.training.listener import Listener
from cry_tf.training.preparation import Prepared
from cry_tf.training.settings import Settings
from cry_tf.training.strategy import ONE_DEVICE, Devices


def find_policy(settings: Settings) -> Policy | None:
    """Returns how training clips are augmented, None for not at all.

    Raises:
        ValueError: If the policy is unknown.
        OSError: If the noise folder cannot be read.
    """
    name = settings.recipe.augment
    return None if name == "none" else policies.get(name, noise=settings.noise)


def make_trainer(
    model: Any,
    prepared: Prepared,
    settings: Settings,
    listener: Listener,
    cache: EmbeddingCache,
    devices: Devices = ONE_DEVICE,
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
        devices: Where every layer is trained, if all are.

    Raises:
        ValueError: If too few clips are left, the backbone gives NaN, or the noise
            folder holds clips of the data set.
        OSError: If the noise folder cannot be read.
    """
    recipe, seed = settings.recipe, settings.seed
    policy = find_policy(settings)
    _check_noise(settings.noise, prepared.dataset)
    if recipe.trains == "all":
        trainer = WaveformTrainer(
            model, prepared.dataset, recipe, seed, policy, devices
        )
        return trainer, prepared
    embeddings = _embed(model, prepared.dataset, settings, policy, listener, cache)
    for note in embeddings.notes:
        listener.line(f"  {note}")
    for problem in embeddings.problems:
        listener.warn(f"left out: {problem.sentence}")
    kept = embeddings.dataset
    kept.require_trainable(settings.task, settings.folds)
    trainer: Trainer
    if recipe.is_fitted:
        trainer = FittedTrainer(
            model,
            embeddings.values,
            kept.label_indices,
            kept.groups,
            recipe,
            seed,
            copies=embeddings.copies,
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
            copies=embeddings.copies,
        )
    problems = prepared.problems + embeddings.problems
    return trainer, dataclasses.replace(prepared, dataset=kept, problems=problems)


def _check_noise(noise: str | None, dataset: Dataset) -> None:
    """Refuses noises among which a clip could be heard that is held out."""
    if noise is None:
        return
    folder = Path(noise).expanduser().resolve()
    inside = [c for c in dataset.clips if c.path.resolve().is_relative_to(folder)]
    if inside:
        raise ValueError(
            "The noise folder must hold none of the clips, or those that are held out "
            f"would be heard in training. Received: noise={noise!r}, which holds "
            f"{len(inside)} of them, {inside[0].name} for one. Choose another folder."
        )


def _embed(
    model: Any,
    dataset: Dataset,
    settings: Settings,
    policy: Policy | None,
    listener: Listener,
    cache: EmbeddingCache,
) -> Embeddings:
    copies = settings.recipe.augment_copies
    with listener.progress("embeddings", (1 + copies) * len(dataset)) as advance:
        told = 0

        def tell(done: int, _: int) -> None:
            nonlocal told
            for _ in range(done - told):
                advance()
            told = done

        return cache.embed(
            model.backbone,
            dataset,
            progress=tell,
            augment=policy,
            copies=copies,
            seed=settings.seed,
        )
