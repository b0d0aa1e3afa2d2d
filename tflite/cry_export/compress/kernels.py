"""The kernels that pruning and clustering work on, and what is in them then."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from cry_export.compress.compression import MIN_ELEMENTS, Compression
from cry_export.compress.layer_set import twin_names

_COMPRESSED = ("Conv1D", "Conv2D", "Dense")


def compressed_layers(model: keras.Model) -> dict[str, keras.layers.Layer]:
    """Returns the layers whose kernel is pruned or clustered, by name in the twin.

    Convolutions and dense layers with a kernel of 1024 weights or more. Depthwise
    convolutions hold few weights and feel each of them.

    Raises:
        ValueError: If there is none, or a layer cannot be in a twin.
    """
    found = {
        name: layer
        for name, layer in twin_names(model).items()
        if type(layer).__name__ in _COMPRESSED
        and int(np.prod(layer.kernel.shape)) >= MIN_ELEMENTS
    }
    if not found:
        raise ValueError(
            "Compression needs a convolution or a dense layer with at least "
            f"{MIN_ELEMENTS} weights. Received: {model.name!r} without one."
        )
    return found


def kernel_facts(model: keras.Model, compression: Compression) -> dict[str, Any]:
    """Returns what the record of a pruned or clustered model says of its weights.

    Args:
        model: After the compression.
        compression: `prune` or `cluster`.
    """
    kernels = [np.asarray(each.kernel) for each in compressed_layers(model).values()]
    weights = sum(kernel.size for kernel in kernels)
    zeros = sum(int((kernel == 0).sum()) for kernel in kernels)
    everything = sum(int(np.prod(each.shape)) for each in model.weights)
    facts: dict[str, Any] = {
        "layers": len(kernels),
        "share_of_all_weights": weights / everything,
    }
    if compression.name == "prune":
        facts["sparsity"] = zeros / weights
        facts["smallest_sparsity_of_a_layer"] = min(
            float((kernel == 0).mean()) for kernel in kernels
        )
        facts["sparsity_of_all_weights"] = zeros / everything
    else:
        facts["largest_number_of_values_in_a_layer"] = max(
            len(np.unique(kernel)) for kernel in kernels
        )
    return facts
