"""The records of our small students."""

from __future__ import annotations

from types import MappingProxyType

from cry_hub.preset import Preset, WeightsFile
from cry_lite.front_ends import YAMNET

DS_CNN_PRESETS = (
    Preset(
        name="ds_cnn_s",
        summary="our small student, distilled from YAMNet and mn04",
        backbone="cry_hub.ds_cnn.ds_cnn:DSCNN",
        arguments=MappingProxyType({"size": "s"}),
        front_end=YAMNET,
        licence="Apache-2.0",
        paper="https://arxiv.org/abs/1711.07128",
        source="distilled from YAMNet and EfficientAT mn04, see the card beside them",
        files=(
            WeightsFile(
                name="ds_cnn_s_pretrained.npz",
                digest=(
                    "sha256:31c57ff4784456f8cc3fb37fd249c225"
                    "a583555c4c12e882bb266317945b8310"
                ),
                size_bytes=340_002,
            ),
        ),
        shipped="ds_cnn/weights/ds_cnn_s_pretrained.npz",
    ),
    Preset(
        name="ds_cnn_m",
        summary="our larger student, distilled from YAMNet and mn04",
        backbone="cry_hub.ds_cnn.ds_cnn:DSCNN",
        arguments=MappingProxyType({"size": "m"}),
        front_end=YAMNET,
        licence="Apache-2.0",
        paper="https://arxiv.org/abs/1711.07128",
        source="distilled from YAMNet and EfficientAT mn04, see the card beside them",
        files=(
            WeightsFile(
                name="ds_cnn_m_pretrained.npz",
                digest=(
                    "sha256:5da325ccca83a6c4d377df06526af35b"
                    "2f18a552f0f241ff35c04fab77fec191"
                ),
                size_bytes=1_637_238,
            ),
        ),
        shipped="ds_cnn/weights/ds_cnn_m_pretrained.npz",
    ),
)
