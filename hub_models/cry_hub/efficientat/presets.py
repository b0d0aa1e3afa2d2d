"""The record of EfficientAT's weights."""

from __future__ import annotations

from types import MappingProxyType

from cry_hub.preset import Preset, WeightsFile
from cry_lite.front_ends import EFFICIENTAT

EFFICIENTAT_PRESETS = (
    Preset(
        name="mn04_audioset",
        summary="EfficientAT mn04, 32 kHz, 1 M parameters, AudioSet mAP 0.432",
        backbone="cry_hub.efficientat.mobile_net:EfficientAT",
        arguments=MappingProxyType({"width": 0.4}),
        front_end=EFFICIENTAT,
        licence="MIT",
        paper="https://arxiv.org/abs/2211.04772",
        source="mn04_as of fschmid56/EfficientAT, release v0.0.1",
        files=(
            WeightsFile(
                name="mn04_as_mAP_432.pt",
                url=(
                    "https://github.com/fschmid56/EfficientAT/releases/download/"
                    "v0.0.1/mn04_as_mAP_432.pt"
                ),
                digest=(
                    "sha256:899a8c6217063f6941793102a2780b3d"
                    "d788ab11fce468d9cf5f0577c453321c"
                ),
                size_bytes=4_066_513,
            ),
        ),
        layouts=("cry_hub.efficientat.porting:state_dict_layout",),
        heads=MappingProxyType(
            {"audioset": "cry_hub.efficientat.audioset:audioset_classifier"}
        ),
        # The same classes in the same order as those of PANNs.
        label_file="panns/class_names.txt",
    ),
)
