"""Trains the last layers of a model on the feature maps before them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from cry_hub.backbone_cut import BackboneCut
from cry_tf.data import Dataset
from cry_tf.data.epoch_order import EpochOrder
from cry_tf.training.feature_maps import FeatureMaps
from cry_tf.training.fit_waveforms import WaveformTrainer


class MapTrainer(WaveformTrainer):
    """Trains what follows a cut, as `WaveformTrainer` does, without what comes before.

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
