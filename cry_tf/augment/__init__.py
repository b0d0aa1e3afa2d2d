"""Augmentation of training clips: transforms, policies, mixup.

A transform draws its parameters apart from applying them; a policy takes several,
each with a probability. All draws come from a NumPy generator that the caller
gives. Names load when they are first used, so `import cry_tf.augment` stays fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cry_tf.augment import policies
    from cry_tf.augment.add_noise import AddNoise
    from cry_tf.augment.band_limit import BandLimit
    from cry_tf.augment.codec_like import CodecLike
    from cry_tf.augment.gain import Gain
    from cry_tf.augment.mixup import Mixup
    from cry_tf.augment.noise_folder import NoiseFolder
    from cry_tf.augment.pitch_shift import PitchShift
    from cry_tf.augment.policy import Policy
    from cry_tf.augment.reverb import Reverb
    from cry_tf.augment.time_shift import TimeShift
    from cry_tf.augment.time_stretch import TimeStretch
    from cry_tf.augment.transform import Transform

_MODULES = {
    "AddNoise": "add_noise",
    "BandLimit": "band_limit",
    "CodecLike": "codec_like",
    "Gain": "gain",
    "Mixup": "mixup",
    "NoiseFolder": "noise_folder",
    "PitchShift": "pitch_shift",
    "Policy": "policy",
    "Reverb": "reverb",
    "TimeShift": "time_shift",
    "TimeStretch": "time_stretch",
    "Transform": "transform",
}

__all__ = [
    "AddNoise",
    "BandLimit",
    "CodecLike",
    "Gain",
    "Mixup",
    "NoiseFolder",
    "PitchShift",
    "Policy",
    "Reverb",
    "TimeShift",
    "TimeStretch",
    "Transform",
    "policies",
]


def __getattr__(name: str) -> Any:
    """Imports the module behind a public name on first use (PEP 562)."""
    if name == "policies":
        return importlib.import_module(f"{__name__}.policies")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Lists the public names, loaded or not."""
    return sorted(__all__)
