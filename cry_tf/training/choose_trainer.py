"""Chooses the trainer that the settings ask for, and what it trains on."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import tensorflow as tf

from cry_tf.augment import Policy, policies
from cry_tf.data import Dataset, Embeddings, sound_source
from cry_tf.training.context import RunContext
from cry_tf.training.field_trainer import make_field_trainer
from cry_tf.training.fitted_head_trainer import FittedTrainer
from cry_tf.training.head_trainer import HeadTrainer, embed
from cry_tf.training.preparation import Prepared, hold_out_of
from cry_tf.training.recipe import Stage
from cry_tf.training.settings import Settings
from cry_tf.training.staged_trainer import make_staged
from cry_tf.training.trainer import Trainer
from cry_tf.training.waveform_trainer import WaveformTrainer

# The other half is for Adam's moments, gradients and TensorFlow's buffers.
_SHARE_OF_MEMORY = 0.5
# The backward pass needs about as much memory as the forward pass.
_PASSES = 2
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
_CGROUP_USED = Path("/sys/fs/cgroup/memory.current")


def choose(
    model: Any, batch_size: int, seconds: float, memory_bytes: int | None = None
) -> tuple[int, str]:
    """Chooses how many clips are in memory at once.

    Args:
        model: A `CryModel`.
        batch_size: Clips a step; the answer divides it.
        seconds: Length of the longest clip.
        memory_bytes: Free memory; None asks the system.

    Returns:
        Clips in memory at once, at least 1, and a sentence with the reason.
    """
    if memory_bytes is None:
        memory_bytes = available_bytes()
    need = clip_bytes(model, seconds)
    most = max(1, int(_SHARE_OF_MEMORY * memory_bytes / need))
    micro = next(n for n in range(min(most, batch_size), 0, -1) if batch_size % n == 0)
    sentence = (
        f"micro batch: {micro} of {batch_size} clips at once (about "
        f"{need / 1e6:.0f} MB a clip of {seconds:.1f} s, {memory_bytes / 1e9:.1f} GB "
        "of memory free)"
    )
    return micro, sentence


def clip_bytes(model: Any, seconds: float) -> int:
    """Returns about how many bytes a training step needs for one clip.

    The floats that every operation of the network gives for one clip, forward
    and backward; nothing is run.
    """
    samples = max(1, round(seconds * model.spec.sample_rate_hz))
    waveform = tf.TensorSpec((1, samples), tf.float32)
    traced: Any = tf.function(lambda x: model(x, training=False))
    graph = traced.get_concrete_function(waveform).graph
    floats = 0
    for operation in graph.get_operations():
        if operation.type in ("ReadVariableOp", "Const", "Placeholder"):
            continue
        for tensor in operation.outputs:
            count = tensor.shape.num_elements()
            if tensor.dtype.is_floating and count:
                floats += count * tensor.dtype.size
    return max(1, _PASSES * floats)


def available_bytes() -> int:
    """Returns how much memory is free, on the system and in its container.

    It is not the memory of a GPU: give `micro_batch` there.
    """
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
    if _CGROUP_LIMIT.is_file() and _CGROUP_USED.is_file():
        limit = _CGROUP_LIMIT.read_text().strip()
        if limit != "max":
            free = min(free, int(limit) - int(_CGROUP_USED.read_text()))
    return max(free, 1)


def find_policy(settings: Settings) -> Policy | None:
    """Returns the augmentation policy of training clips, None for none.

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
    context: RunContext,
) -> tuple[Trainer, Prepared]:
    """Returns a trainer, and the clips that it can train on.

    A recipe that trains the head alone gets its embeddings here, from the cache
    or computed once.

    Args:
        model: A `CryModel`.
        prepared: The clips.
        settings: Settings of the run.
        context: Progress, cache and checkpoint of the run. Feature maps are kept
            beside the checkpoint.

    Raises:
        ValueError: If too few clips are left, the backbone gives NaN, or the noise
            folder holds clips of the data set.
        OSError: If the noise folder cannot be read.
    """
    recipe, seed, devices = settings.recipe, settings.seed, context.devices
    policy = find_policy(settings)
    _check_noise(settings.noise, prepared.dataset)
    is_plain = len(recipe.stages) == 1 and recipe.depth_factor == 1
    if recipe.trains == "all" and is_plain:
        micro = None  # several devices share a batch, and cannot accumulate
        if devices.replicas == 1:
            micro = find_micro_batch(model, prepared.dataset, settings, context)
        trainer = WaveformTrainer(
            model,
            prepared.dataset,
            recipe,
            seed,
            policy,
            hold_out=hold_out_of(prepared.dataset, settings),
            micro_batch=micro,
            devices=devices,
        )
        return trainer, prepared
    if recipe.trains == "all":
        return _staged(model, prepared, settings, policy, context)
    if recipe.windows:
        return make_field_trainer(model, prepared.dataset, settings, context), prepared
    embeddings, prepared = _embed(model, prepared, settings, policy, context)
    return trainer_on_embeddings(model, embeddings, settings), prepared


def trainer_on_embeddings(
    model: Any, embeddings: Embeddings, settings: Settings
) -> Trainer:
    """Returns what trains the head of a model, on embeddings of a frozen backbone.

    Args:
        model: A `CryModel`.
        embeddings: Of the clips, and of augmented copies if the recipe asks for some.
        settings: Settings of the run; the recipe trains the head alone.
    """
    recipe, dataset = settings.recipe, embeddings.dataset
    if not recipe.is_fitted:
        return _head_trainer(model, embeddings, settings, recipe.stages[-1])
    return FittedTrainer(
        model,
        embeddings.values,
        dataset.label_indices,
        dataset.groups,
        recipe,
        settings.seed,
        copies=embeddings.copies,
    )


def _staged(
    model: Any,
    prepared: Prepared,
    settings: Settings,
    policy: Policy | None,
    context: RunContext,
) -> tuple[Trainer, Prepared]:
    """Returns a trainer of several stages, and the clips it can train on."""
    recipe = settings.recipe
    found: Any = None
    if any(stage.trains == "head" for stage in recipe.stages):
        copied = policy if recipe.augment_copies else None
        found, prepared = _embed(model, prepared, settings, copied, context)
    dataset = prepared.dataset
    trainer = make_staged(
        model,
        dataset,
        settings,
        context,
        policy,
        lambda stage: _head_trainer(model, found, settings, stage),
        hold_out=hold_out_of(dataset, settings),
        micro_batch=find_micro_batch(model, dataset, settings, context),
    )
    return trainer, prepared


def _head_trainer(
    model: Any, embeddings: Embeddings, settings: Settings, stage: Stage
) -> HeadTrainer:
    front_end, dataset = model.spec.front_end, embeddings.dataset
    return HeadTrainer(
        model,
        embeddings.values,
        dataset.label_indices,
        settings.recipe,
        settings.seed,
        step_s=front_end.patch_hop_samples / front_end.sample_rate_hz,
        copies=embeddings.copies,
        stage=stage,
        hold_out=hold_out_of(dataset, settings),
        names=[clip.name for clip in dataset.clips],
    )


def find_micro_batch(
    model: Any, dataset: Dataset, settings: Settings, context: RunContext
) -> int | None:
    """Returns how many clips are in memory at once, None for a whole batch.

    Args:
        model: A `CryModel`.
        dataset: The clips.
        settings: Settings of the run.
        context: Its progress takes what was chosen, where the recipe leaves it open.
    """
    recipe = settings.recipe
    if recipe.micro_batch != "auto":
        return recipe.micro_batch
    seconds = max(sound_source.info(clip.path).duration_s for clip in dataset.clips)
    chosen, sentence = choose(
        model, recipe.batch_size, min(seconds, recipe.max_seconds)
    )
    context.progress.line(sentence)
    return chosen


def _check_noise(noise: str | None, dataset: Dataset) -> None:
    """Refuses noises that could contain a held-out clip."""
    if noise is None:
        return
    folder = Path(noise).expanduser().resolve()
    inside = [c for c in dataset.clips if c.path.resolve().is_relative_to(folder)]
    if inside:
        raise ValueError(
            "The noise folder must hold none of the clips, or those that are held out "
            f"would be used in training. Received: noise={noise!r}, which holds "
            f"{len(inside)} of them, {inside[0].name} for one. Choose another folder."
        )


def _embed(
    model: Any,
    prepared: Prepared,
    settings: Settings,
    policy: Policy | None,
    context: RunContext,
) -> tuple[Embeddings, Prepared]:
    """Returns the embeddings of every clip, and the clips that have some."""
    embeddings = embed(
        model,
        prepared.dataset,
        context.embeddings,
        context.progress,
        policy,
        settings.recipe.augment_copies,
        settings.seed,
    )
    kept = embeddings.dataset
    kept.require_trainable(settings.task, settings.folds)
    problems = prepared.problems + embeddings.problems
    return embeddings, dataclasses.replace(prepared, dataset=kept, problems=problems)
