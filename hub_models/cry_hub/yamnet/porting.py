"""Google's names for the weights of YAMNet, to ours."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from cry_hub.backbone import Backbone
from cry_hub.porting import Layout, Target
from cry_hub.yamnet.yamnet import BATCH_NORM_EPSILON, LAYERS

HEAD_TENSORS = frozenset({"dense/kernel", "dense/bias"})


def folded_layout(model: keras.Model) -> Layout:
    """Returns where the tensors of a YAMNet with folded batch norm go.

    The names are those of tensorflow/models research/audioset/yamnet
    (`layer2/depthwise_conv`), with the kernel and the bias that come of folding
    the batch norm which follows the convolution.

    Args:
        model: A `YAMNet`, or one with its AudioSet head.
    """
    has_head = not isinstance(model, Backbone)
    backbone: Any = model
    if has_head:
        backbone = next(each for each in model.layers if isinstance(each, Backbone))
    targets: dict[str, Target] = {}
    constants = []

    def add(name: str) -> None:
        layer = backbone.get_layer(name.replace("/", "_"))
        norm = backbone.get_layer(f"{layer.name}_bn")
        # conv: kh, kw, in, out. depthwise_conv: kh, kw, channels, 1. Both are
        # as Keras has them: nothing to transpose.
        targets[f"{name}/kernel"] = Target(layer.kernel, tuple(layer.kernel.shape))
        # (x - 0) / sqrt((1 - epsilon) + epsilon) + bias
        targets[f"{name}/bias"] = Target(norm.beta, tuple(norm.beta.shape))
        constants.append((norm.moving_mean, np.zeros(norm.beta.shape, "float32")))
        constants.append(
            (
                norm.moving_variance,
                np.full(norm.beta.shape, 1 - BATCH_NORM_EPSILON, "float32"),
            )
        )

    for number, (kind, _, _) in enumerate(LAYERS, start=1):
        if kind == "conv":
            add(f"layer{number}/conv")
        else:
            add(f"layer{number}/depthwise_conv")
            add(f"layer{number}/pointwise_conv")
    if has_head:
        dense: Any = model.get_layer("logits")
        # in, out, as Keras has it.
        targets["dense/kernel"] = Target(dense.kernel, tuple(dense.kernel.shape))
        targets["dense/bias"] = Target(dense.bias, tuple(dense.bias.shape))
    return Layout(targets, tuple(constants), frozenset() if has_head else HEAD_TENSORS)
