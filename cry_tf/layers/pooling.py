"""Pooling layers by name."""

from __future__ import annotations

import inspect

import keras

from cry_tf.layers.attention_pooling import AttentionPooling
from cry_tf.layers.average_pooling import AveragePooling
from cry_tf.layers.max_average_pooling import MaxAveragePooling
from cry_tf.layers.max_pooling import MaxPooling
from cry_tf.layers.statistic_pooling import StatisticPooling

_LAYERS: dict[str, type[keras.layers.Layer]] = {
    "max": MaxPooling,
    "average": AveragePooling,
    "max_average": MaxAveragePooling,
    "statistic": StatisticPooling,
    "attention": AttentionPooling,
}
POOLING_NAMES: tuple[str, ...] = tuple(_LAYERS)


def get(pooling: str | keras.layers.Layer) -> keras.layers.Layer:
    """Returns the pooling layer that `pooling` names, or `pooling` itself.

    Args:
        pooling: One of `POOLING_NAMES`, which gives a new layer named `pooling`
            with its default arguments, or a layer that maps
            `(batch, time, features)` and a `mask` `(batch, time)` to
            `(batch, units)`.

    Raises:
        ValueError: If the name is unknown, or the layer takes no `mask` argument.

    Example:
    ```python
    pooling.get("attention")
    pooling.get(AttentionPooling(heads=8, name="pooling"))
    ```
    """
    if isinstance(pooling, str) and pooling in _LAYERS:
        return _LAYERS[pooling](name="pooling")
    if not isinstance(pooling, keras.layers.Layer):
        raise ValueError(
            f"pooling must be one of {', '.join(POOLING_NAMES)}, or a Keras layer. "
            f"Received: pooling={pooling!r}."
        )
    if "mask" not in inspect.signature(pooling.call).parameters:
        raise ValueError(
            "A pooling layer must take a `mask` in its `call`, so that padding never "
            f"changes a result. Received: pooling={pooling!r}."
        )
    return pooling
