"""CNN10 of PANNs as a native Keras 3 graph."""

from __future__ import annotations

from typing import Any

import keras

from cry_hub.panns.panns_backbone import PANNsBackbone
from cry_lite.front_ends import PANNS_32K


@keras.saving.register_keras_serializable(package="cry_tf")
class CNN10(PANNsBackbone):
    """CNN10: 4 blocks over 64 mel bands at 32 kHz, an embedding every 0.16 s.

    Args:
        cutoff_hz: Float > 0, Hz: removes frequencies above it. None keeps all.
        **kwargs: `name`, `dtype` and `trainable` of a `keras.Model`.
    Call arguments:
        inputs: Float tensor `(batch, samples)` in [-1, 1] at 32 kHz. A faint
            tail is padding.
    Output shape:
        `(batch, max(1, frames // 16), 512)`.
    Reference:
        [Kong et al., 2020](https://arxiv.org/abs/1912.10211), table II.
    """

    # 2 cores, shared: a 10 s clip took 256 ms, with XLA 291 ms; a training step of
    # 4 x 2 s 0.76 s, with XLA 0.99 s.
    prefers_jit = False
    blocks = ((64, True), (128, True), (256, True), (512, True))

    def __init__(self, cutoff_hz: float | None = None, **kwargs: Any):
        kwargs.setdefault("name", "cnn10")
        super().__init__(PANNS_32K.replace(cutoff_hz=cutoff_hz), **kwargs)
