"""What each replica of a model takes of a batch, and what replicas average."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from cry_hub.yamnet.frozen_batch_normalization import FrozenBatchNormalization


def share(batch: tuple[Any, ...], number: Any, replicas: int) -> tuple[Any, ...]:
    """Returns what the replica of this number gets of a batch, at least one clip.

    Keras divides the loss of each replica by its clips and by the replicas. Where a
    batch has fewer clips than there are replicas, some get one that counts nothing.
    """
    *values, weights = batch
    number = tf.cast(number, tf.int32)
    clips = tf.shape(weights)[0]
    start, stop = number * clips // replicas, (number + 1) * clips // replicas
    evens_out = tf.cast((stop - start) * replicas, weights.dtype)
    evens_out /= tf.cast(clips, weights.dtype)
    start = tf.minimum(start, clips - 1)
    stop = tf.maximum(stop, start + 1)
    shared = tf.nest.map_structure(lambda value: value[start:stop], values)
    return (*shared, weights[start:stop] * evens_out)


def moving_statistics(model: Any) -> list[Any]:
    """Returns the variables of batch norm that training moves on."""
    found = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found += moving_statistics(layer)
        elif (
            isinstance(layer, keras.layers.BatchNormalization)
            and not isinstance(layer, FrozenBatchNormalization)
            and layer.trainable
        ):
            found += [layer.moving_mean, layer.moving_variance]
    return found
