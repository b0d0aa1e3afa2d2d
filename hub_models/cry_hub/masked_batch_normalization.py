"""Batch normalization over the real patches of a batch."""

from __future__ import annotations

import keras

from cry_hub.fused_batch_normalization import FusedBatchNormalization


@keras.saving.register_keras_serializable(package="cry_tf")
class MaskedBatchNormalization(FusedBatchNormalization):
    """Batch normalization whose statistics leave padding out.

    Clips of different lengths share a batch. Without a mask the silence that
    completes the short ones would move the statistics, and the network would
    learn something else than it does from each clip alone.

    Args are those of `keras.layers.BatchNormalization`.

    Call arguments:
        inputs: Float tensor `(batch, height, width, channels)`.
        mask: Bool tensor that broadcasts to `(batch, height, width)`, True where
            `inputs` is real. It ends here: the layers after it take it anew.
    """

    def compute_mask(self, inputs, mask=None):
        del inputs, mask
