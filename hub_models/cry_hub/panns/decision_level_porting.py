"""PyTorch's names for the weights of PANNs' Cnn14_DecisionLevelAtt, to ours."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from cry_hub import torch_targets
from cry_hub.backbone import Backbone, backbone_of
from cry_hub.layout import Layout, Target
from cry_hub.panns.porting import state_dict_layout

# A batch norm that the original's code makes, and so saves, but never runs: its
# attention goes from the convolution straight to the clip and the softmax.
_UNUSED_TENSORS = frozenset(
    f"att_block.bn_att.{name}"
    for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
)
_HEAD_LAYERS = {
    "fc1": "fc1",
    "att_block.cla": "logits",
    "att_block.att": "attention",
}
_HEAD_TENSORS = frozenset(
    f"{name}.{kind}" for name in _HEAD_LAYERS for kind in ("weight", "bias")
)


def attention_state_dict_layout(model: keras.Model) -> Layout:
    """Returns where the tensors of a Cnn14_DecisionLevelAtt checkpoint go.

    Args:
        model: A `CNN14`, or one with either head of `cnn14_decision_att_audioset`.
    """
    layers: dict[str, Any] = {}
    if not isinstance(model, Backbone):
        # The head for frames has no attention.
        layers = {layer.name: layer for layer in model.layers}
    body = state_dict_layout(backbone_of(model))
    head = {}
    for name, ours in _HEAD_LAYERS.items():
        if ours in layers:
            head |= _head_targets(name, layers[ours])
    return dataclasses.replace(
        body,
        targets={**body.targets, **head},
        other_heads=_HEAD_TENSORS - head.keys(),
        ignored=body.ignored | _UNUSED_TENSORS,
    )


def _head_targets(name: str, layer: Any) -> dict[str, Target]:
    if name == "fc1":
        return torch_targets.linear(name, layer)
    features, units = layer.kernel.shape
    return {
        # A convolution over one step is a dense layer: out, in, 1 -> 1, in, out
        f"{name}.weight": Target(
            layer.kernel,
            (units, features, 1),
            lambda tensor: tensor.transpose(2, 1, 0)[0],
        ),
        f"{name}.bias": Target(layer.bias, (units,)),
    }
