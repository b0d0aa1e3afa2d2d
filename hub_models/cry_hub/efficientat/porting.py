"""PyTorch's names for the weights of EfficientAT, to ours."""

from __future__ import annotations

import keras

from cry_hub import torch_targets
from cry_hub.backbone import Backbone, backbone_of
from cry_hub.efficientat import table
from cry_hub.layout import Layout, Target

HEAD_TENSORS = frozenset(
    f"classifier.{layer}.{kind}" for layer in (2, 5) for kind in ("weight", "bias")
)


def state_dict_layout(model: keras.Model) -> Layout:
    """Returns where the tensors of an EfficientAT checkpoint go.

    The names are those of the `mn*_as*.pt` files of fschmid56/EfficientAT with
    squeeze-and-excitation over channels and the `mlp` head.

    Args:
        model: An `EfficientAT`, or one with its AudioSet head.
    """
    has_head = not isinstance(model, Backbone)
    backbone = backbone_of(model)
    targets: dict[str, Target] = {}
    counters = set()

    def add_conv(name: str, ours: str) -> None:
        """Adds a convolution and its batch norm: `name.0` and `name.1`."""
        kernel = backbone.get_layer(ours).kernel
        time, band, inputs, outputs = kernel.shape
        if isinstance(backbone.get_layer(ours), keras.layers.DepthwiseConv2D):
            # channel, 1, band, time -> time, band, channel, 1
            shape, order = (inputs, outputs, band, time), (3, 2, 0, 1)
        else:
            # out, in, band, time -> time, band, in, out
            shape, order = (outputs, inputs, band, time), (3, 2, 1, 0)
        targets[f"{name}.0.weight"] = Target(
            kernel, shape, lambda tensor: tensor.transpose(order)
        )
        norm = backbone.get_layer(f"{ours}_bn")
        targets.update(torch_targets.batch_norm(f"{name}.1", norm))
        counters.add(torch_targets.batch_counter(f"{name}.1"))

    add_conv("features.0", "first_conv")
    inner = {layer.name for layer in backbone.layers}
    blocks = table.blocks(backbone.width)
    for number, block in enumerate(blocks, start=1):
        parts = ["expand"] if f"block{number}_expand" in inner else []
        parts += ["depthwise", *(["squeeze"] if block.squeezes else []), "project"]
        for place, part in enumerate(parts):
            name = f"features.{number}.block.{place}"
            if part == "squeeze":
                for dense in ("fc1", "fc2"):
                    targets.update(
                        torch_targets.linear(
                            f"{name}.conc_se_layers.0.{dense}",
                            backbone.get_layer(f"block{number}_{dense}"),
                        )
                    )
            else:
                add_conv(name, f"block{number}_{part}")
    add_conv(f"features.{len(blocks) + 1}", "last_conv")
    if has_head:
        targets.update(torch_targets.linear("classifier.2", model.get_layer("fc1")))
        targets.update(torch_targets.linear("classifier.5", model.get_layer("logits")))
    return Layout(
        targets,
        other_heads=frozenset() if has_head else HEAD_TENSORS,
        ignored=frozenset(counters),
    )
