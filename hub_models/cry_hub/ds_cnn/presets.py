"""The records of our small students."""

from __future__ import annotations

from types import MappingProxyType

from cry_hub.preset import Preset
from cry_lite.front_ends import YAMNET

DS_CNN_PRESETS = (
    Preset(
        name="ds_cnn_s",
        summary="our small student on YAMNet's patches, trained from scratch",
        backbone="cry_hub.ds_cnn.ds_cnn:DSCNN",
        arguments=MappingProxyType({"size": "s"}),
        front_end=YAMNET,
        licence="Apache-2.0",
        paper="https://arxiv.org/abs/1711.07128",
        source="trained by you: no pretrained weights are published",
    ),
    Preset(
        name="ds_cnn_m",
        summary="our larger student on YAMNet's patches, trained from scratch",
        backbone="cry_hub.ds_cnn.ds_cnn:DSCNN",
        arguments=MappingProxyType({"size": "m"}),
        front_end=YAMNET,
        licence="Apache-2.0",
        paper="https://arxiv.org/abs/1711.07128",
        source="trained by you: no pretrained weights are published",
    ),
)
