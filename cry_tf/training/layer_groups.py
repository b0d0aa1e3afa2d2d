"""The layers of a backbone by depth, to freeze or slow the deeper ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras

from cry_tf.training.stage import Stage

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

    def thaw(self, stage: Stage) -> None:
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
