"""Puts the trainers of several stages together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from cry_hub.backbone_cut import BackboneCut, cut
from cry_tf.augment import Policy
from cry_tf.data import Dataset
from cry_tf.training import memory
from cry_tf.training.feature_maps import FeatureMaps
from cry_tf.training.fit_embeddings import HeadTrainer
from cry_tf.training.fit_maps import MapTrainer, last_layers
from cry_tf.training.fit_stages import StagedTrainer
from cry_tf.training.fit_waveforms import WaveformTrainer
from cry_tf.training.layer_groups import LayerGroups
from cry_tf.training.listener import Listener
from cry_tf.training.recipe import Recipe
from cry_tf.training.settings import Settings
from cry_tf.training.stage import Stage


def make_staged(
    model: Any,
    dataset: Dataset,
    settings: Settings,
    listener: Listener,
    policy: Policy | None,
    make_head: Callable[[Stage], HeadTrainer],
    maps_dir: Path | None = None,
    **arguments: Any,
) -> StagedTrainer:
    """Returns a trainer of several stages.

    The last layers are trained on feature maps, unless something of every epoch is
    another one before them, or the network cannot be cut in two.

    Args:
        model: A `CryModel`.
        dataset: The clips.
        settings: Of the run.
        listener: Hears how many feature maps are done, and how stages are trained.
        policy: How training clips are augmented, or None.
        make_head: Makes the trainer of a stage `head`.
        maps_dir: Where feature maps are kept until they are not needed any more;
            None for a temporary folder.
        **arguments: Of every `WaveformTrainer`.
    """
    recipe = settings.recipe
    groups = LayerGroups(model)
    parts: list[HeadTrainer | WaveformTrainer] = []
    notes = []

    def arguments_of(graph: keras.Model, stage: Stage) -> dict[str, Any]:
        return {
            **arguments,
            "recipe": recipe,
            "seed": settings.seed,
            "stage": stage,
            "factors": groups.factors(graph.trainable_variables, stage.depth_factor),
            "sample_rate_hz": model.spec.sample_rate_hz,
        }

    for stage in recipe.stages:
        groups.thaw(stage)
        if stage.trains == "head":
            parts.append(make_head(stage))
            continue
        name, halves, note = f"{stage.trains}_layers", None, ""
        if stage.trains == "last":
            halves, note = _cut(model, groups.trained(stage), recipe)
        # Its own graph over the same layers: what is traced differs by stage.
        if halves is None:
            graph = keras.Model(model.input, model.output, name=name)
            more = arguments_of(graph, stage)
            parts.append(WaveformTrainer(graph, dataset, policy=policy, **more))
        else:
            maps = _maps(halves, model, dataset, settings, policy, listener, maps_dir)
            graph = last_layers(model, halves, name)
            parts.append(MapTrainer(graph, maps, dataset, **arguments_of(graph, stage)))
            note = f"on {maps.megabytes:.0f} MB of feature maps computed once"
        if note:
            notes.append(f"the last layers are trained {note}")
            listener.line(notes[-1])
    return StagedTrainer(parts, groups, notes)


def _cut(
    model: Any, trained: list[keras.layers.Layer], recipe: Recipe
) -> tuple[BackboneCut | None, str]:
    """Cuts the backbone, or says why the waveform is needed in every step."""
    if recipe.mixup:
        why = "mixup mixes waveforms"
    elif recipe.spec_augment:
        why = "SpecAugment hides something else of the spectrogram in every epoch"
    elif recipe.augment != "none" and not recipe.augment_copies:
        why = "clips are augmented anew in every epoch"
    else:
        try:
            return cut(model.backbone, trained), ""
        except ValueError as error:
            why = str(error)
    return None, f"from the waveform: {why.rstrip('.')}"


def _maps(
    halves: BackboneCut,
    model: Any,
    dataset: Dataset,
    settings: Settings,
    policy: Policy | None,
    listener: Listener,
    folder: Path | None,
) -> FeatureMaps:
    recipe = settings.recipe
    steps = (1 + recipe.augment_copies) * len(dataset)
    advice = "Cut the longest clips into shorter ones."
    with (
        listener.progress("feature maps", steps) as advance,
        memory.explained("clips went through the first layers", advice),
    ):
        return FeatureMaps(
            halves,
            dataset,
            model.spec.sample_rate_hz,
            recipe.max_seconds,
            folder,
            policy,
            recipe.augment_copies,
            settings.seed,
            advance,
        )
