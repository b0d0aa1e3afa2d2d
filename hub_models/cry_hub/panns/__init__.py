"""PANNs: convolutional networks over a whole log-mel spectrogram, on AudioSet."""

from __future__ import annotations

from cry_hub.panns.presets import PANNS_PRESETS


def class_names() -> tuple[str, ...]:
    """Returns the 527 class names of AudioSet in the order of the logits."""
    return PANNS_PRESETS[0].labels
