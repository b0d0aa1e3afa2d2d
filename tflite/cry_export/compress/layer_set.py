"""The layers that a twin can be made of, and their names in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras

# What tensorflow-model-optimization must know to wrap or to fold: the twin has the
# Keras 2 layer of that name.
REBUILT = {
    "Activation",
    "Add",
    "AveragePooling2D",
    "BatchNormalization",
    "Conv1D",
    "Conv2D",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "Flatten",
    "GlobalAveragePooling2D",
    "MaxPooling2D",
    "ReLU",
    "ZeroPadding2D",
    "cry_tf>Conv2D",
}
BATCH_NORMS = {
    "BatchNormalization",
    "cry_tf>FrozenBatchNormalization",
    "cry_tf>FusedBatchNormalization",
    "cry_tf>MaskedBatchNormalization",
}
# What runs in the twin as it is. Those of them with weights hold few.
HOSTED = {
    "Concatenate",
    "MaxPooling1D",
    "Multiply",
    "Rescaling",
    "Reshape",
    *(
        f"cry_tf>{name}"
        for name in (
            "AttentionPooling",
            "AveragePooling",
            "ChannelsToBands",
            "EverySecondFrame",
            "FramesToImage",
            "FrontEnd",
            "HalveMask",
            "HardSwish",
            "ImageMask",
            "ClearPadding",
            "LowPass",
            "MaxAveragePooling",
            "MaxPlusMeanOverTime",
            "MaxPooling",
            "MeanOverBands",
            "MeanOverPatches",
            "MergeMask",
            "MergePatches",
            "PrototypeLogits",
            "SplitPatches",
            "StatisticPooling",
            "TimeMask",
            "WaveformToFrames",
            "WavegramMasks",
            "ZeroPadding",
        )
    ),
}


def twin_names(model: keras.Model) -> dict[str, keras.layers.Layer]:
    """Returns every layer of a model by the name that it has in the twin.

    Models within the model are taken apart. A name that is taken gets a number.

    Raises:
        ValueError: If the model is not functional, or a layer cannot be in a twin.
    """
    found: dict[str, keras.layers.Layer] = {}
    for layer in _layers(model):
        kind = _kind(layer)
        if kind not in REBUILT | BATCH_NORMS | HOSTED:
            raise ValueError(
                "Compression knows the layers of cry-tf's own networks and of their "
                f"heads. Received: a layer {layer.name!r} of type {kind}. Export "
                "without --compress."
            )
        if layer.weights and layer.compute_dtype != "float32":
            raise ValueError(
                "Compression works in float32. Received: a layer "
                f"{layer.name!r} that computes in {layer.compute_dtype}."
            )
        name, number = layer.name, 1
        while name in found:
            name, number = f"{layer.name}_{number}", number + 1
        found[name] = layer
    return found


def is_batch_norm(layer: Any) -> bool:
    """Whether a Keras 3 layer is a batch normalization, ours or Keras's own."""
    return _kind(layer) in BATCH_NORMS


def is_rebuilt(layer: Any) -> bool:
    """Whether the twin has a Keras 2 layer in place of this Keras 3 one."""
    return _kind(layer) in REBUILT


def _layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    if not hasattr(model, "operations"):
        raise ValueError(
            "Compression reads the graph of a functional model. Received: "
            f"{model.name!r} of type {type(model).__name__}."
        )
    for layer in model.operations:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        elif not isinstance(layer, keras.layers.InputLayer):
            yield layer


def _kind(layer: Any) -> str:
    return keras.saving.get_registered_name(type(layer))
