"""Whether XLA makes a training faster."""

from __future__ import annotations

from typing import Any

from cry_tf.augment import Policy
from cry_tf.data import sound_source
from cry_tf.data.dataset import Dataset


def is_compiled(
    model: Any, dataset: Dataset, max_seconds: float, policy: Policy | None = None
) -> bool:
    """Returns whether XLA is to compile a model that is trained on waveforms.

    XLA compiles anew for each shape, CNN14 for half a minute. Where clips differ in
    length nearly every batch has a shape of its own, so that only clips of one length
    are worth it.

    Args:
        model: A `CryModel`; its backbone knows whether XLA suits it.
        dataset: The clips.
        max_seconds: What is heard of a longer clip.
        policy: How clips are augmented, which may stretch them, or None.
    """
    if policy is not None or not model.backbone.prefers_jit:
        return False
    durations_s = {sound_source.info(clip.path).duration_s for clip in dataset.clips}
    return len({min(each, max_seconds) for each in durations_s}) == 1
