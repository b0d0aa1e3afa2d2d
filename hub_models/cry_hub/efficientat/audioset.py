"""EfficientAT's own head: the 527 classes of AudioSet."""

from __future__ import annotations

import keras

from cry_hub.efficientat import class_names, table
from cry_hub.efficientat.convolutions import HardSwish
from cry_hub.efficientat.mobile_net import EfficientAT
from cry_hub.patches import MeanOverPatches
from cry_hub.waveform_classifier import WaveformClassifier


def audioset_classifier(backbone: EfficientAT) -> WaveformClassifier:
    """Puts the AudioSet head on an EfficientAT.

    Args:
        backbone: An `EfficientAT`; the classifier shares its weights.

    Returns:
        A model from waveform `(batch, samples)` to logits `(batch, 527)`, through
        the mean of the real embeddings, `fc1` and its hard-swish. The original
        drops out a fifth of that in training. The classes do not exclude each
        other: their scores are the sigmoid of the logits.
    """
    waveform = keras.Input((None,), name="waveform")
    # float32, as a mean over many steps outruns the digits of bfloat16.
    mean = MeanOverPatches(dtype="float32", name="mean_embedding")(
        backbone(waveform), mask=backbone.time_mask()(waveform)
    )
    units = table.scaled(table.HIDDEN_UNITS, backbone.width)
    hidden = keras.layers.Dense(units, dtype="float32", name="fc1")(mean)
    hidden = HardSwish(dtype="float32", name="fc1_hard_swish")(hidden)
    hidden = keras.layers.Dropout(0.2, dtype="float32", name="dropout")(hidden)
    labels = class_names()
    logits = keras.layers.Dense(len(labels), dtype="float32", name="logits")
    return WaveformClassifier(
        waveform, logits(hidden), name=f"{backbone.name}_audioset", labels=labels
    )
