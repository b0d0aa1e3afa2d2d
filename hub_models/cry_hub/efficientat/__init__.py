"""EfficientAT: MobileNets over a whole log-mel spectrogram, on AudioSet."""

from __future__ import annotations

from cry_hub.efficientat.presets import EFFICIENTAT_PRESETS


def class_names() -> tuple[str, ...]:
    """Returns the 527 class names of AudioSet in the order of the logits."""
    return EFFICIENTAT_PRESETS[0].labels
