"""Google's names for the weights of YAMNet, to ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from cry_hub.backbone import Backbone, backbone_of
from cry_hub.layout import Layout, Target
from cry_hub.yamnet.yamnet import BATCH_NORM_EPSILON, LAYERS

HEAD_TENSORS = frozenset({"dense/kernel", "dense/bias"})
# What `model.save("yamnet.h5")` keeps of an optimizer.
_TRAINING_STATE = re.compile("^optimizer_weights/")
_LAYER_TENSOR = re.compile(
    r"(?:.*/)?(layer\d+/(?:conv|depthwise_conv|pointwise_conv)/"
    r"(?:kernel|depthwise_kernel|bn/(?:beta|moving_mean|moving_variance)))(?::0)?"
)
_HEAD_TENSOR = re.compile(r"(?:.*/)?(?:dense(?:_\d+)?|logits)/(kernel|bias)(?::0)?")


def folded_layout(model: keras.Model) -> Layout:
    """Returns where the tensors of a YAMNet with folded batch norm go.

    The names are those of tensorflow/models research/audioset/yamnet
    (`layer2/depthwise_conv`), with the kernel and the bias that come of folding
    the batch norm which follows the convolution.

    Args:
        model: A `YAMNet`, or one with its AudioSet head.
    """
    targets: dict[str, Target] = {}
    constants = []
    for name, layer, norm in _convolutions(model):
        # conv: kh, kw, in, out. depthwise_conv: kh, kw, channels, 1. Both are
        # as Keras has them: nothing to transpose.
        targets[f"{name}/kernel"] = _as_it_is(layer.kernel)
        # (x - 0) / sqrt((1 - epsilon) + epsilon) + bias
        targets[f"{name}/bias"] = _as_it_is(norm.beta)
        constants.append((norm.moving_mean, np.zeros(norm.beta.shape, "float32")))
        constants.append(
            (
                norm.moving_variance,
                np.full(norm.beta.shape, 1 - BATCH_NORM_EPSILON, "float32"),
            )
        )
    head = _head_targets(model)
    others = frozenset() if head else HEAD_TENSORS
    return Layout({**targets, **head}, tuple(constants), others)


def keras_layout(model: keras.Model) -> Layout:
    """Returns where the variables of Google's own YAMNet go, batch norm and all.

    The names are those of the variables in the SavedModel on TensorFlow Hub:
    `layer2/depthwise_conv/depthwise_kernel`, `layer2/pointwise_conv/bn/beta`.
    `variable_name` makes them of the paths in Google's `yamnet.h5`.

    Args:
        model: A `YAMNet`, or one with its AudioSet head.
    """
    targets: dict[str, Target] = {}
    for name, layer, norm in _convolutions(model):
        is_depthwise = name.endswith("depthwise_conv")
        kernel = "depthwise_kernel" if is_depthwise else "kernel"
        # kh, kw, in, out and kh, kw, channels, 1, as Keras 3 still has them:
        # nothing to transpose.
        targets[f"{name}/{kernel}"] = _as_it_is(layer.kernel)
        # (x - mean) / sqrt(variance + 1e-4) + beta; there is no gamma.
        targets[f"{name}/bn/beta"] = _as_it_is(norm.beta)
        targets[f"{name}/bn/moving_mean"] = _as_it_is(norm.moving_mean)
        targets[f"{name}/bn/moving_variance"] = _as_it_is(norm.moving_variance)
    head = _head_targets(model)
    return Layout(
        {**targets, **head},
        other_heads=frozenset() if head else HEAD_TENSORS,
        rename=variable_name,
        training_state=_TRAINING_STATE,
    )


def variable_name(name: str) -> str:
    """Returns the name of a variable from its path in one of Keras's files.

    Keras 2 puts the name of the layer, or of the whole model, before the
    variable's own: `layer1/conv/bn/layer1/conv/bn/beta:0` and
    `model_weights/model_2/layer1/conv/bn/beta:0` both become
    `layer1/conv/bn/beta`. It numbers the layers it named itself: `dense_1/kernel`,
    like `logits/kernel`, becomes `dense/kernel`. A name that is no variable of
    YAMNet comes back as it is.
    """
    if _TRAINING_STATE.search(name):
        return name
    if match := _LAYER_TENSOR.fullmatch(name):
        return match[1]
    if match := _HEAD_TENSOR.fullmatch(name):
        return f"dense/{match[1]}"
    return name


def _convolutions(model: keras.Model) -> Iterator[tuple[str, Any, Any]]:
    """Yields Google's name of each convolution, our layer and its batch norm."""
    backbone = backbone_of(model)
    for number, (kind, _, _) in enumerate(LAYERS, start=1):
        parts = ("conv",) if kind == "conv" else ("depthwise_conv", "pointwise_conv")
        for part in parts:
            layer = backbone.get_layer(f"layer{number}_{part}")
            norm = backbone.get_layer(f"{layer.name}_bn")
            yield f"layer{number}/{part}", layer, norm


def _head_targets(model: keras.Model) -> dict[str, Target]:
    """Returns the targets of the AudioSet head; none for a backbone alone."""
    if isinstance(model, Backbone):
        return {}
    dense: Any = model.get_layer("logits")
    # in, out, as Keras has it.
    return {
        "dense/kernel": _as_it_is(dense.kernel),
        "dense/bias": _as_it_is(dense.bias),
    }


def _as_it_is(variable: Any) -> Target:
    return Target(variable, tuple(variable.shape))
