"""Trains a model in stages: the head first, then ever deeper layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from cry_hub.backbone_cut import BackboneCut, cut
from cry_tf.augment import Policy
from cry_tf.data import Dataset
from cry_tf.runs import memory
from cry_tf.training.context import RunContext
from cry_tf.training.feature_maps import FeatureMaps
from cry_tf.training.head_trainer import HeadTrainer
from cry_tf.training.recipe import Recipe, Stage
from cry_tf.training.settings import Settings
from cry_tf.training.trainer import Fold, History, OnEpoch, fit_stages
from cry_tf.training.waveform_trainer import MapTrainer, WaveformTrainer, last_layers

# A quarter of the layers each: the last one is the last block or two of the
# networks here.
GROUPS = 4
_TRAINED = {"head": 0, "last": 1, "all": GROUPS}


class LayerGroups:
    """The layers of a model's backbone that can be trained, in four groups.

    The first group is nearest to the waveform. Each has about the same number of
    layers; batch norm stays with the layer before it.

    Args:
        model: A `CryModel`, its backbone trainable.

    Raises:
        ValueError: If the backbone has fewer layers to train than groups.
    """

    def __init__(self, model: Any):
        layers = [layer for layer in _leaves(model.backbone) if layer.trainable_weights]
        starts = [at for at, layer in enumerate(layers) if not _is_norm(layer)]
        if len(starts) < GROUPS:
            raise ValueError(
                f"Training in stages takes a backbone with at least {GROUPS} layers "
                f"that can be trained. Received: {model.backbone.name}, which has "
                f"{len(starts)}. Take the recipe quick."
            )
        cuts = [starts[len(starts) * group // GROUPS] for group in range(1, GROUPS)]
        edges = [0, *cuts, len(layers)]
        self.groups = [layers[a:b] for a, b in zip(edges, edges[1:], strict=False)]

    def unfreeze(self, stage: Stage) -> None:
        """Lets the layers that a stage trains be trained, and no others."""
        trained = self.trained(stage)
        for group in self.groups:
            for layer in group:
                layer.trainable = any(layer is each for each in trained)

    def trained(self, stage: Stage) -> list[keras.layers.Layer]:
        """Returns the layers of the backbone that a stage trains."""
        groups = self.groups[GROUPS - _TRAINED[stage.trains] :]
        return [layer for group in groups for layer in group]

    def factors(self, variables: Sequence[Any], depth_factor: float) -> list[float]:
        """Returns for each variable its share of the head's learning rate."""
        share = {}
        for number, group in enumerate(self.groups):
            for layer in group:
                for variable in layer.variables:
                    share[id(variable)] = depth_factor ** (GROUPS - number)
        return [share.get(id(variable), 1.0) for variable in variables]


def _leaves(model: keras.Model) -> Iterator[keras.layers.Layer]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _leaves(layer)
        else:
            yield layer


def _is_norm(layer: keras.layers.Layer) -> bool:
    return "Normalization" in type(layer).__name__


class StagedTrainer:
    """Runs trainers of one model one after the other; see `trainer.Trainer`.

    Args:
        parts: A trainer a stage, over the same layers; the last one scores.
        groups: Unfreezes what a stage trains.
        notes: Remarks on the stages for the record.
    """

    def __init__(
        self,
        parts: Sequence[HeadTrainer | WaveformTrainer],
        groups: LayerGroups,
        notes: Sequence[str] = (),
    ):
        self._parts, self._groups, self.notes = parts, groups, tuple(notes)
        self.epochs: Sequence[int] = [part.stage.epochs for part in parts]

    def reset(self) -> None:
        """Puts back the weights, optimizers and random state of the beginning."""
        for part in self._parts:
            part.reset()

    def fit(
        self,
        indices: np.ndarray,
        on_epoch: OnEpoch | None = None,
        fold: Fold | None = None,
    ) -> History:
        """Trains every stage; see `trainer.Trainer`."""

        def begin(part):
            # Keras traces the graph at the first step: unfreeze the layers before.
            self._groups.unfreeze(part.stage)
            return part.stage_fit(indices)

        make_fits = [lambda part=part: begin(part) for part in self._parts]
        stages = [part.stage for part in self._parts]
        return fit_stages(make_fits, stages, on_epoch, fold)

    def predict(self, indices: np.ndarray) -> np.ndarray:
        """Scores whole clips; see `trainer.Trainer`."""
        return self._parts[-1].predict(indices)


def make_staged(
    model: Any,
    dataset: Dataset,
    settings: Settings,
    context: RunContext,
    policy: Policy | None,
    make_head: Callable[[Stage], HeadTrainer],
    **arguments: Any,
) -> StagedTrainer:
    """Returns a trainer of several stages.

    The last layers are trained on feature maps, unless the input of these layers
    changes from epoch to epoch, or the network cannot be cut in two.

    Args:
        model: A `CryModel`.
        dataset: The clips.
        settings: Settings of the run.
        context: Progress, cache and checkpoint of the run. Feature maps are kept
            beside the checkpoint while they are needed; in a temporary folder
            without one.
        policy: How training clips are augmented, or None.
        make_head: Makes the trainer of a stage `head`.
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
        groups.unfreeze(stage)
        if stage.trains == "head":
            parts.append(make_head(stage))
            continue
        name, halves, note = f"{stage.trains}_layers", None, ""
        if stage.trains == "last":
            halves, note = _cut(model, groups.trained(stage), recipe)
        # A graph per stage over the same layers, as other variables are trained.
        if halves is None:
            graph = keras.Model(model.input, model.output, name=name)
            more = arguments_of(graph, stage)
            parts.append(WaveformTrainer(graph, dataset, policy=policy, **more))
        else:
            maps = _maps(halves, model, dataset, settings, policy, context)
            graph = last_layers(model, halves, name)
            parts.append(MapTrainer(graph, maps, dataset, **arguments_of(graph, stage)))
            note = f"on {maps.megabytes:.0f} MB of feature maps computed once"
        if note:
            notes.append(f"the last layers are trained {note}")
            context.progress.line(notes[-1])
    return StagedTrainer(parts, groups, notes)


def _cut(
    model: Any, trained: list[keras.layers.Layer], recipe: Recipe
) -> tuple[BackboneCut | None, str]:
    """Cuts the backbone in two, or returns why it must run from the waveform."""
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
    context: RunContext,
) -> FeatureMaps:
    recipe = settings.recipe
    steps = (1 + recipe.augment_copies) * len(dataset)
    advice = "Cut the longest clips into shorter ones."
    with (
        context.progress.bar("feature maps", steps) as advance,
        memory.explained("clips went through the first layers", advice),
    ):
        return FeatureMaps(
            halves,
            dataset,
            model.spec.sample_rate_hz,
            recipe.max_seconds,
            context.maps_dir,
            policy,
            recipe.augment_copies,
            settings.seed,
            advance,
        )
