"""Prepares layers for training steps with or without XLA."""

from __future__ import annotations

from typing import Any

import keras

from cry_hub.fast_training.convolution import Conv2D
from cry_hub.fast_training.normalization import FusedBatchNormalization
from cry_hub.patch_backbone import PatchBackbone


def prepare_training(model: Any, *, jit_compile: bool) -> None:
    """Lets a model train as fast as it can.

    Without XLA, padding is left out of networks over patches, batch norm takes
    TensorFlow's fused kernels, and wide convolutions take Winograd's algorithm; XLA can
    do none of it, and fuses by itself. The outcome is the same but for rounding, and
    but for a YAMNet whose batch norm is trained: it has no mask, and counts padding
    only with XLA. Nothing of it is saved. `CryModel.compile` and
    `Distiller.compile` call this.

    Args:
        model: A Keras model, before Keras traces a training step of it.
        jit_compile: Whether XLA compiles that step.
    """
    if isinstance(model, PatchBackbone | FusedBatchNormalization | Conv2D):
        model.prepare_training(jit_compile=jit_compile)
    if isinstance(model, keras.Model):
        for layer in model.layers:
            prepare_training(layer, jit_compile=jit_compile)
