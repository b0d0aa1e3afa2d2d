"""Lets a backbone be trained with parts of its spectrogram hidden."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cry_hub.backbone import Backbone
from cry_hub.front_end import FrontEnd
from cry_tf.layers.spec_augment import SpecAugment


def with_spec_augment(backbone: Backbone, layer: SpecAugment | None) -> Backbone:
    """Hides stretches of time and bands from a backbone in training.

    The front end is a layer inside the backbone; what it gives to the next layer in
    training has parts hidden, the same moments in all patches of a clip. Evaluation,
    prediction and the `.tflite` do not change. It is not saved: a model that was
    loaded or copied hides nothing until this is called again.

    Args:
        backbone: Changed in place. Call this before a training step is compiled, and
            within the scope of `tf.distribute`.
        layer: A `SpecAugment`, whose patch hop is filled in; None removes it.

    Returns:
        The same backbone.

    Raises:
        ValueError: If the backbone has no front end of ours, or the layer has the
            distance of other patches.

    Example:
    ```python
    backbone = with_spec_augment(cry_hub.load("cnn10_audioset"), SpecAugment(seed=0))
    model = cry_tf.CryClassifier(backbone, labels=data.labels)
    ```
    """
    front_end: Any = next((x for x in backbone.layers if isinstance(x, FrontEnd)), None)
    if front_end is None:
        raise ValueError(
            "with_spec_augment takes a backbone with a front end of its own. "
            f"Received: {backbone.name}, a compiled program. Take a native "
            "preset."
        )
    if layer is None:
        front_end.in_training = None
        return backbone
    hop = backbone.front_end_spec.patch_hop_frames or None
    if layer.patch_hop_frames not in (None, hop):
        raise ValueError(
            f"patch_hop_frames must be that of {backbone.name}, {hop}, or None. "
            f"Received: patch_hop_frames={layer.patch_hop_frames}."
        )
    # In float32 whatever the policy: it stands where the log-mel is computed.
    config = {**layer.get_config(), "patch_hop_frames": hop, "dtype": "float32"}
    front_end.in_training = _Hiding(SpecAugment.from_config(config))
    return backbone


def spec_augment_of(backbone: Backbone) -> SpecAugment | None:
    """Returns the layer that hides parts from a backbone in training, if one does.

    Its `variables`, the state of its draws, are not the backbone's: restore
    them as well to repeat a training.
    """
    for layer in backbone.layers:
        if isinstance(layer, FrontEnd) and isinstance(layer.in_training, _Hiding):
            return layer.in_training.layer
    return None


@dataclass(frozen=True)
class _Hiding:
    """Keeps a layer out of those that Keras tracks and saves."""

    layer: SpecAugment

    def __call__(self, log_mel: Any, is_real: Any) -> Any:
        # Not `__call__`, which would send the mask along to layers that have none.
        return self.layer.call(log_mel, mask=is_real, training=True)
