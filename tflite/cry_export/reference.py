"""The Keras model's scores where NumPy is its front end.

A front end that is wrong in Keras is as wrong in the file made from it, and the two
agree. `cry_lite.log_mel` is what both should have computed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from cry_lite.log_mel import log_mel, patches
from cry_lite.padding import real_length
from cry_lite.spec import FrontEndSpec


def all_layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """Yields the layers of a model and of the models in it."""
    for layer in getattr(model, "layers", ()):
        yield layer
        if isinstance(layer, keras.Model):
            yield from all_layers(layer)


def weighted_layers(model: keras.Model) -> tuple[str, ...]:
    """Returns the names of the layers with a matrix of weights or more."""
    return tuple(
        layer.name
        for layer in all_layers(model)
        if not isinstance(layer, keras.Model)
        and any(len(weight.shape) > 1 for weight in layer.weights)
    )


def front_end_of(model: keras.Model) -> keras.layers.Layer | None:
    """Returns the layer named `frontend`, or None if there is none."""
    found = (layer for layer in all_layers(model) if layer.name == "frontend")
    return next(found, None)


def reference_scores(
    model: keras.Model, spec: FrontEndSpec, waveform: np.ndarray
) -> np.ndarray:
    """Returns the model's scores of a clip that NumPy turned into a spectrogram.

    Args:
        model: Maps float32 `(batch, samples)` to scores `(batch, labels)`, through a
            layer named `frontend`.
        spec: The numbers of that layer.
        waveform: Float32 `(samples,)`; the padding at its end is left out.

    Returns:
        Float32 `(labels,)`.
    """
    waveform = waveform[: max(1, real_length(waveform))]
    features = (patches if spec.patch_frames else log_mel)(waveform, spec)
    with _returns(front_end_of(model), features[None]):
        scores = model(waveform[None], training=False)
    return np.asarray(keras.ops.convert_to_numpy(scores))[0]


@contextmanager
def _returns(layer: Any, features: np.ndarray) -> Iterator[None]:
    """Makes a layer return `features` for any input."""
    given = layer.call
    layer.call = lambda inputs, training=None: keras.ops.convert_to_tensor(features)
    try:
        yield
    finally:
        layer.call = given
