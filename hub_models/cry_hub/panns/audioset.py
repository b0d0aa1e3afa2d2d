"""PANNs' own head: the 527 classes of AudioSet."""

from __future__ import annotations

from typing import Any

import keras

from cry_hub.frames import MaxPlusMeanOverTime
from cry_hub.panns import class_names
from cry_hub.panns.panns_backbone import PANNsBackbone
from cry_hub.waveform_classifier import WaveformClassifier


def audioset_classifier(backbone: PANNsBackbone) -> WaveformClassifier:
    """Puts the AudioSet head on a network of PANNs.

    The maximum and the mean over time, added, go through `fc1` and its ReLU, whose
    output PANNs calls the embedding of a clip, to the logits.

    Args:
        backbone: One of its networks; the classifier shares its weights.

    Returns:
        A model from waveform `(batch, samples)` to logits `(batch, 527)`. The
        classes do not exclude each other: their scores are the sigmoid of the
        logits.
    """
    waveform = keras.Input((None,), name="waveform")
    # float32, as the mean over many steps outruns the digits of bfloat16.
    pooled: Any = MaxPlusMeanOverTime(dtype="float32", name="max_plus_mean")(
        backbone(waveform), backbone.time_mask()(waveform)
    )
    hidden = keras.layers.Dense(
        pooled.shape[-1], activation="relu", dtype="float32", name="fc1"
    )(pooled)
    labels = class_names()
    logits = keras.layers.Dense(len(labels), dtype="float32", name="logits")
    return WaveformClassifier(
        waveform, logits(hidden), name=f"{backbone.name}_audioset", labels=labels
    )
