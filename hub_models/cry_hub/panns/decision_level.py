"""PANNs' heads that score each segment, and so give the times of a sound.

PANNs calls the networks Cnn14_DecisionLevelMax and Cnn14_DecisionLevelAtt. Both are
a CNN14 whose embeddings, a segment of 0.32 s each, go through `fc1` to logits of the
527 classes of AudioSet. They differ in the score of a clip: the highest of its
segments, or their mean weighted by an attention per class.
"""

from __future__ import annotations

from typing import Any

import keras

from cry_hub.panns import class_names
from cry_hub.panns.panns_backbone import PANNsBackbone
from cry_hub.panns.segments import (
    AttentiveLogit,
    MaxOverTime,
    NeighbourMaxPlusMean,
    SegmentsToFrames,
)
from cry_hub.time_mask import TimeMask
from cry_hub.waveform_classifier import WaveformClassifier


def max_classifier(backbone: PANNsBackbone) -> WaveformClassifier:
    """Puts the head of DecisionLevelMax on a CNN14, for whole clips.

    Args:
        backbone: A `CNN14`; the classifier shares its weights.

    Returns:
        A model from waveform `(batch, samples)` to logits `(batch, 527)`, the
        maximum of those of its real segments. The classes do not exclude each
        other: their scores are the sigmoid of the logits.
    """
    waveform, hidden, is_real = _hidden(backbone)
    logits = MaxOverTime(dtype="float32", name="clip")(
        _dense("logits")(hidden), is_real
    )
    return WaveformClassifier(
        waveform, logits, name=f"{backbone.name}_decision_max", labels=class_names()
    )


def attention_classifier(backbone: PANNsBackbone) -> WaveformClassifier:
    """Puts the head of DecisionLevelAtt on a CNN14, for whole clips.

    Args:
        backbone: A `CNN14`; the classifier shares its weights.

    Returns:
        A model from waveform `(batch, samples)` to logits `(batch, 527)`: of the
        mean of the scores of the real segments, weighted by attention. The
        classes do not exclude each other: their scores are the sigmoid.
    """
    waveform, hidden, is_real = _hidden(backbone)
    logits = AttentiveLogit(dtype="float32", name="clip")(
        _dense("logits")(hidden), _dense("attention")(hidden), is_real
    )
    return WaveformClassifier(
        waveform, logits, name=f"{backbone.name}_decision_att", labels=class_names()
    )


def frame_classifier(backbone: PANNsBackbone) -> WaveformClassifier:
    """Puts the head of either on a CNN14, for the frames of a clip.

    Attention takes no part: it only weighs segments against each other.

    Args:
        backbone: A `CNN14`; the classifier shares its weights.

    Returns:
        A model from waveform `(batch, samples)` to logits `(batch, frames, 527)`,
        a frame every 10 ms: each segment is repeated for its 32 frames, and the
        last one for those left over. `frame_mask(backbone)` says which frames
        are real. The scores are the sigmoid of the logits.
    """
    waveform, hidden, is_real = _hidden(backbone)
    logits = SegmentsToFrames(
        backbone.frames_per_embedding, dtype="float32", name="frames"
    )(_dense("logits")(hidden), is_real, frame_mask(backbone)(waveform))
    return WaveformClassifier(
        waveform, logits, name=f"{backbone.name}_frames", labels=class_names()
    )


def frame_mask(backbone: PANNsBackbone) -> TimeMask:
    """Returns a new layer, waveform -> bool `(batch, frames)`, True where real.

    It goes with the output of `frame_classifier`, as `backbone.time_mask()` does
    with the embeddings.
    """
    return TimeMask(backbone.front_end_spec, name="frame_mask")


def _hidden(backbone: PANNsBackbone) -> tuple[Any, Any, Any]:
    """Returns the waveform, what `fc1` makes of each segment, and the time mask."""
    waveform = keras.Input((None,), name="waveform")
    is_real = backbone.time_mask()(waveform)
    pooled: Any = NeighbourMaxPlusMean(dtype="float32", name="neighbours")(
        backbone(waveform), is_real
    )
    hidden = keras.layers.Dense(
        pooled.shape[-1], activation="relu", dtype="float32", name="fc1"
    )
    return waveform, hidden(pooled), is_real


def _dense(name: str) -> keras.layers.Dense:
    return keras.layers.Dense(len(class_names()), dtype="float32", name=name)
