"""Batch normalization that never looks at the batch."""

from __future__ import annotations

from typing import Any

import keras

from cry_hub.fused_batch_normalization import FusedBatchNormalization


@keras.saving.register_keras_serializable(package="cry_tf")
class FrozenBatchNormalization(FusedBatchNormalization):
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
        if self._fuses(inputs, training):
            return super().call(inputs, training=True, mask=mask)
        return super().call(inputs, training=False, mask=mask)

    def _fused(self, inputs: Any, mask: Any, gamma: Any, beta: Any) -> Any:
        return self._by_moving_statistics(inputs, gamma, beta)
