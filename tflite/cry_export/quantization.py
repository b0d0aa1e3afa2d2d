"""A recipe applied to a float32 TFLite file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from cry_export.dynamic_range import quantize_weights
from cry_export.error_feedback import Probes
from cry_export.float16 import halve_weights
from cry_export.layer_noise import layer_of, names_in
from cry_export.operators import is_of_front_end, list_operators, require_front_end
from cry_export.quantization_recipe import QuantizationRecipe
from cry_export.static_int8 import quantize_static


def apply_recipe(
    tflite: bytes,
    recipe: QuantizationRecipe,
    representative: Sequence[np.ndarray] = (),
    keep_float: Collection[str] = (),
    layers: Collection[str] = (),
    probes: Probes | None = None,
    keep_half: Collection[str] = (),
) -> bytes:
    """Stores the weights, and perhaps the activations, as a recipe says.

    Args:
        tflite: A float32 flatbuffer, waveform in, without appended metadata.
        recipe: What to do. The front end stays float32 in all of them.
        representative: Clips of the training data, float32 `(samples,)`, for the
            recipes that need them.
        keep_float: Names of layers that stay float32.
        layers: Names of the Keras layers, to find them in the file; () guesses them.
        probes: Sounds on which the errors of int8 weights shall make up for each
            other; None rounds each weight by itself.
        keep_half: Names of layers that are stored as float16 where the recipe has
            int8.

    Returns:
        A flatbuffer in which each tensor has kept its index.

    Raises:
        ConversionError: If no operator comes from a layer named `frontend`, so that
            it could not be spared, or a weight is not finite.
        ValueError: If a recipe needs representative clips and there are none, or
            `keep_float` names a layer without weights in the file.
    """
    if recipe.weights == "float32":
        return tflite
    require_front_end(tflite)
    _check_keep_float(tflite, keep_float, layers)
    is_float = _sparing(keep_float, layers)
    is_spared = _sparing([*keep_float, *keep_half], layers)
    if recipe.weights == "float16":
        return halve_weights(tflite, is_float)
    if recipe.activations == "float32":
        return halve_weights(quantize_weights(tflite, is_spared, probes), is_float)
    if not len(representative):
        raise ValueError(
            f"quantize={recipe.name!r} needs representative clips of the training "
            "data, from which it takes the range of every activation. Received: none. "
            "Pass representative=... (--representative DATA), or take 'dynamic'."
        )
    made = quantize_static(tflite, representative, is_spared)
    # The layers that kept float activations, and those behind the pooling.
    return halve_weights(quantize_weights(made, is_spared, probes), is_float)


def _sparing(
    keep_float: Collection[str], layers: Collection[str]
) -> Callable[[Any, Any], bool]:
    def is_spared(graph: Any, operator: Any) -> bool:
        if is_of_front_end(graph, operator):
            return True
        path = graph.subgraphs[0].tensors[operator.outputs[0]].name.decode()
        return not set(keep_float).isdisjoint(names_in(path, layers))

    return is_spared


def _check_keep_float(
    tflite: bytes, keep_float: Collection[str], layers: Collection[str]
) -> None:
    if not keep_float:
        return
    weighted = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
    paths = [
        operator.path
        for operator in list_operators(tflite)
        if operator.name in weighted and not operator.is_front_end
    ]
    known = {name for path in paths for name in names_in(path, layers)}
    missing = [name for name in keep_float if name not in known]
    if missing:
        shown = list(dict.fromkeys(layer_of(path, layers) for path in paths))
        raise ValueError(
            "keep_float must name layers that can be quantised: "
            f"{', '.join(shown)}. Received: {', '.join(missing)}."
        )
