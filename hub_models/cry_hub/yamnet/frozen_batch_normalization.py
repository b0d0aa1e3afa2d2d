"""Batch normalization that never looks at the batch."""

from __future__ import annotations

import keras


@keras.saving.register_keras_serializable(package="cry_tf")
class FrozenBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalization that uses its moving statistics in training too.

    Its offset is trained as the bias of the convolution before it. Weights in
    which batch norm was folded need this: there the convolution's output has a
    mean that the offset already makes up for, and a batch's statistics would
    take it away a second time. A layer of its own, because neither
    `training=False` in a functional graph nor `trainable=False` lasts: the outer
    model's training flag replaces the first, `backbone.trainable = True` the
    second.

    Args and call arguments are those of `keras.layers.BatchNormalization`.
    """

    def call(self, inputs, training=None, mask=None):
        del training
        return super().call(inputs, training=False, mask=mask)
