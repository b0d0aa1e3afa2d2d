"""YAMNet: MobileNet v1 on log-mel patches, trained on AudioSet's 521 classes."""

from __future__ import annotations

from cry_hub.yamnet.presets import YAMNET_PRESETS


def class_names() -> tuple[str, ...]:
    """Returns YAMNet's 521 class names in the order of its logits."""
    return YAMNET_PRESETS[0].labels
