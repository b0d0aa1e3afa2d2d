"""YAMNet's own head: the 521 classes of AudioSet."""

from __future__ import annotations

import keras

from cry_hub.backbone import Backbone
from cry_hub.patches import MeanOverPatches
from cry_hub.waveform_classifier import WaveformClassifier
from cry_hub.yamnet import class_names


def audioset_classifier(backbone: Backbone) -> WaveformClassifier:
    """Puts the AudioSet head on a YAMNet.

    Args:
        backbone: A `YAMNet`; the classifier shares its weights.

    Returns:
        A model from waveform `(batch, samples)` to logits `(batch, 521)`: the
        mean over the real patches of the logits of each patch. The classes do
        not exclude each other: their scores are the sigmoid of the logits.
    """
    waveform = keras.Input((None,), name="waveform")
    # The head is linear, so the mean embedding has the mean of the logits. It
    # stays float32: a mean over many patches outruns the digits of bfloat16.
    mean = MeanOverPatches(dtype="float32", name="mean_embedding")(
        backbone(waveform), mask=backbone.time_mask()(waveform)
    )
    labels = class_names()
    logits = keras.layers.Dense(len(labels), dtype="float32", name="logits")
    return WaveformClassifier(
        waveform, logits(mean), name=f"{backbone.name}_audioset", labels=labels
    )
