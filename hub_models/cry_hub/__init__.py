"""Pretrained audio backbones as native Keras 3 models, with checked weights.

Importing this package loads no framework; the first use of a name does.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cry_hub.backbone import Backbone
    from cry_hub.ds_cnn.ds_cnn import DSCNN
    from cry_hub.efficientat.mobile_net import EfficientAT
    from cry_hub.errors import WeightsError
    from cry_hub.front_end import FrontEnd
    from cry_hub.hub_handle import HubBackbone
    from cry_hub.panns.cnn10 import CNN10
    from cry_hub.panns.cnn14 import CNN14
    from cry_hub.panns.resnet22 import ResNet22
    from cry_hub.panns.wavegram_logmel_cnn14 import WavegramLogmelCNN14
    from cry_hub.porting import port_weights, save_npz
    from cry_hub.preset import Preset
    from cry_hub.preset_loading import load
    from cry_hub.registry import presets
    from cry_hub.time_mask import TimeMask
    from cry_hub.vggish.vggish import VGGish
    from cry_hub.waveform_classifier import WaveformClassifier
    from cry_hub.yamnet.yamnet import YAMNet

__all__ = [
    "CNN10",
    "CNN14",
    "DSCNN",
    "Backbone",
    "EfficientAT",
    "FrontEnd",
    "HubBackbone",
    "Preset",
    "ResNet22",
    "TimeMask",
    "VGGish",
    "WaveformClassifier",
    "WavegramLogmelCNN14",
    "WeightsError",
    "YAMNet",
    "load",
    "port_weights",
    "presets",
    "save_npz",
]

_HOMES = {
    "Backbone": "backbone",
    "CNN10": "panns.cnn10",
    "CNN14": "panns.cnn14",
    "DSCNN": "ds_cnn.ds_cnn",
    "EfficientAT": "efficientat.mobile_net",
    "FrontEnd": "front_end",
    "HubBackbone": "hub_handle",
    "Preset": "preset",
    "ResNet22": "panns.resnet22",
    "TimeMask": "time_mask",
    "VGGish": "vggish.vggish",
    "WaveformClassifier": "waveform_classifier",
    "WavegramLogmelCNN14": "panns.wavegram_logmel_cnn14",
    "WeightsError": "errors",
    "YAMNet": "yamnet.yamnet",
    "load": "preset_loading",
    "port_weights": "porting",
    "presets": "registry",
    "save_npz": "porting",
}

_WITHOUT_KERAS = ("Preset", "WeightsError", "presets")


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name not in _WITHOUT_KERAS:
        importlib.import_module("cry_hub.requirements").check_keras()
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
