"""YAMNet: MobileNet v1 on log-mel patches, trained on AudioSet's 521 classes."""

from __future__ import annotations

from cry_hub import registry


def class_names() -> tuple[str, ...]:
    """Returns YAMNet's 521 class names in the order of its logits."""
    return registry.get("yamnet_audioset").labels
