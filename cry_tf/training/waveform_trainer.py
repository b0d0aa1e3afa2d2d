"""Trains layers of a model on waveforms, or on the feature maps before them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cry_hub.backbone_cut import BackboneCut
from cry_tf.augment import Mixup, Policy
from cry_tf.data import Dataset, sound_source
from cry_tf.data.epoch_order import EpochOrder
from cry_tf.runs import memory
from cry_tf.training import imbalance
from cry_tf.training.devices import ONE_DEVICE, Devices
from cry_tf.training.feature_maps import FeatureMaps
from cry_tf.training.recipe import Recipe, Stage
from cry_tf.training.trainer import (
    SCORING_BATCH,
    HoldOut,
    KerasTrainer,
    StageFit,
    compile_once,
)

_SCORING_SECONDS = 320.0


class WaveformTrainer(KerasTrainer):
    """Trains the unfrozen layers of a model on waveforms.

    Args:
        model: A `CryModel`, or one of its graphs over the same layers.
        dataset: Clips whose labels are the model's, in its order.
        recipe: How to train.
        seed: Draws the order of the clips, and what augmentation draws.
        policy: How training clips are augmented, anew in each epoch, or None.
        stage: Which of the recipe's stages, None for the last.
        hold_out: Takes validation clips from the training clips, or None.
        factors: Share of the learning rate of each trainable variable.
        sample_rate_hz: Sample rate of the waveforms, Hz; None takes the model's.
        micro_batch: Clips that are in memory at once, a divisor of the recipe's
            batch, in scoring too; None for all of them.
        devices: Where to train; the model was built within their `scope`.
    """

    def __init__(
        self,
        model: Any,
        dataset: Dataset,
        recipe: Recipe,
        seed: int,
        policy: Policy | None = None,
        stage: Stage | None = None,
        hold_out: HoldOut | None = None,
        factors: Sequence[float] | None = None,
        sample_rate_hz: int | None = None,
        micro_batch: int | None = None,
        devices: Devices = ONE_DEVICE,
    ):
        super().__init__(recipe, stage, hold_out)
        self._model, self._dataset, self._policy = model, dataset, policy
        self._seed = seed
        self._rate_hz = sample_rate_hz or model.spec.sample_rate_hz
        self._micro = micro_batch or recipe.batch_size
        self._scored_at_once = min(micro_batch or SCORING_BATCH, SCORING_BATCH)
        devices.check_batch_size(self._micro)
        self._devices, self._scoring = devices, None
        # At least one step per epoch, also in a fold of half the clips.
        whole = max(1, min(recipe.batch_size, len(dataset) // 2))
        with devices.scope():
            self._state = compile_once(
                model,
                recipe,
                factors=factors,
                accumulated=max(1, whole // self._micro),
            )
        devices.adopt(model)

    def _truth_at(self, indices: np.ndarray) -> np.ndarray:
        return self._dataset.label_indices[indices]

    def _stage_fit(self, indices: np.ndarray) -> StageFit:
        recipe, truth = self._recipe, self._dataset.label_indices[indices]
        imbalance.set_label_counts(self._model.loss, truth)
        weights = np.zeros(len(self._dataset.labels), np.float32)
        weights[truth] = imbalance.clip_weights(truth, recipe.imbalance)
        shown = imbalance.shown_places(truth, recipe.imbalance, self._seed)
        versions = self._versions(indices[shown])
        order = EpochOrder(versions, self._seed, self._micro, len(indices))
        batches = self._training(order)
        batches = batches.map(lambda x, y: (x, y, tf.gather(weights, y)))
        if recipe.mixup:
            mixup = Mixup(recipe.mixup, len(weights), self._seed)
            batches = mixup.waveforms(batches, order.seeds())
        batches = self._devices.distribute(self._model, batches)
        return StageFit(
            self._model,
            self._state,
            self.stage,
            order,
            batches,
            names=lambda versions: [self._name(version) for version in versions],
            advice=(
                f"Lower --micro-batch (now {self._micro}), which gives the same steps "
                f"in less memory, or max_seconds (now {recipe.max_seconds:g})."
            ),
        )

    def _versions(self, indices: np.ndarray) -> np.ndarray:
        """Returns the numbers of what training shows of these clips."""
        return indices

    def _name(self, version: int) -> str:
        return self._dataset.clips[version].name

    def _training(self, order: EpochOrder) -> Any:
        """Returns batches of (inputs, labels) in an order of versions."""
        return self._dataset.to_tf(
            batch_size=self._micro,
            sample_rate_hz=self._rate_hz,
            shuffle=True,
            seed=self._seed,
            max_seconds=self._recipe.max_seconds,
            augment=self._policy,
            order=order,
        )

    def _scored(self, indices: np.ndarray, at_once: int) -> Any:
        """Returns batches as `_training` does, of whole clips in this order."""
        return self._dataset.subset(indices).to_tf(
            batch_size=at_once, sample_rate_hz=self._rate_hz
        )

    def predict(self, indices: np.ndarray) -> np.ndarray:
        """Scores whole clips; see `Trainer`.

        Raises:
            ValueError: If the memory is too small.
        """
        clips = [self._dataset.clips[place] for place in indices]
        # A batch is padded to its longest recording, which may not fit into memory.
        longest_s = max(sound_source.info(clip.path).duration_s for clip in clips)
        most = max(1, int(_SCORING_SECONDS / max(longest_s, 1e-3)))
        most = min(most, self._scored_at_once)
        batches = self._scored(indices, most)
        self._scoring = self._devices.local_copy(self._model, self._scoring)
        advice = (
            f"Clips are scored whole, the longest lasts {longest_s:.0f} s: cut it into "
            "shorter ones."
        )
        if most > 1:
            advice = (
                f"Give a lower --micro-batch (now {most} clips are scored at once), or "
                f"cut the longest clip, {longest_s:.0f} s, into shorter ones."
            )
        with memory.explained(f"{len(clips)} clips were scored", advice):
            return self._scoring.predict(batches, verbose=0)


class MapTrainer(WaveformTrainer):
    """Trains the layers after a cut on stored feature maps.

    Without augmentation the batches, the losses and the weights afterwards are
    those of a training from the waveform, to rounding.

    Args:
        graph: Of `last_layers`.
        maps: What it is trained on.
        dataset: The clips of the maps, in their order.
        **arguments: Of `WaveformTrainer`.
    """

    def __init__(
        self, graph: keras.Model, maps: FeatureMaps, dataset: Dataset, **arguments: Any
    ):
        super().__init__(graph, dataset, **arguments)
        self._maps = maps

    def _versions(self, indices: np.ndarray) -> np.ndarray:
        return self._maps.versions.of(indices)

    def _name(self, version: int) -> str:
        return super()._name(self._maps.versions.clip[version])

    def _training(self, order: EpochOrder) -> Any:
        return self._maps.training(order, self._micro)

    def _scored(self, indices: np.ndarray, at_once: int) -> Any:
        return self._maps.scoring(indices, at_once)


def last_layers(model: Any, cut: BackboneCut, name: str) -> keras.Model:
    """Returns the graph of a model behind a cut, over the model's own layers.

    Args:
        model: A `CryModel`.
        cut: Of its backbone.
        name: Of the graph.

    Returns:
        A model from a list of maps and the time mask to scores `(batch, labels)`.
    """
    mask = keras.Input((None,), dtype="bool", name="mask")
    scores = model.head_model()([cut.top.output, mask])
    return keras.Model([*cut.top.inputs, mask], scores, name=name)
