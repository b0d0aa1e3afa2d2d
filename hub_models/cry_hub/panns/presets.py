"""The records of PANNs' weights."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from cry_hub.preset import Preset, WeightsFile
from cry_lite.front_ends import PANNS_8K, PANNS_16K, PANNS_32K

_ZENODO = "https://zenodo.org/record/3987831/files/"


def _panns(
    name: str, backbone: str, *, file: str, digest: str | None, **facts: Any
) -> Preset:
    """Returns the record of a network of PANNs trained on AudioSet."""
    facts.setdefault("front_end", PANNS_32K)
    facts.setdefault("layouts", ("cry_hub.panns.porting:state_dict_layout",))
    facts.setdefault("heads", _heads("cry_hub.panns.audioset:audioset_classifier"))
    return Preset(
        name=name,
        backbone=f"cry_hub.panns.{backbone}",
        licence="CC-BY-4.0",
        paper="https://arxiv.org/abs/1912.10211",
        source=f"{file} of PANNs, Zenodo record 3987831",
        files=(
            WeightsFile(
                name=file, url=_ZENODO + file.replace("=", "%3D"), digest=digest
            ),
        ),
        label_file="panns/class_names.txt",
        **facts,
    )


def _heads(audioset: str, **more: str) -> MappingProxyType[str, str]:
    return MappingProxyType({"audioset": audioset, **more})


PANNS_PRESETS = (
    _panns(
        "cnn10_audioset",
        "cnn10:CNN10",
        summary="PANNs CNN10, 32 kHz, 5 M parameters, AudioSet mAP 0.380",
        file="Cnn10_mAP=0.380.pth",
        digest=(
            "sha256:5240bdc47444e331bbeb54fd741d2b3f933a4526e84b0c17bf3593df94b13962"
        ),
    ),
    _panns(
        "cnn14_audioset",
        "cnn14:CNN14",
        summary="PANNs CNN14, 32 kHz, 81 M parameters, AudioSet mAP 0.431",
        file="Cnn14_mAP=0.431.pth",
        digest="md5:541141fa2ee191a88f24a3219fff024e",
    ),
    _panns(
        "cnn14_16k_audioset",
        "cnn14:CNN14",
        front_end=PANNS_16K,
        arguments=MappingProxyType({"sample_rate_hz": 16_000}),
        summary="PANNs CNN14, 16 kHz, 81 M parameters, AudioSet mAP 0.438",
        file="Cnn14_16k_mAP=0.438.pth",
        digest="md5:362fc5ff18f1d6ad2f6d464b45893f2c",
    ),
    _panns(
        "cnn14_8k_audioset",
        "cnn14:CNN14",
        front_end=PANNS_8K,
        arguments=MappingProxyType({"sample_rate_hz": 8_000}),
        summary="PANNs CNN14, 8 kHz, 81 M parameters, AudioSet mAP 0.416",
        file="Cnn14_8k_mAP=0.416.pth",
        digest=None,
    ),
    _panns(
        "cnn14_decision_max_audioset",
        "cnn14:CNN14",
        summary="PANNs CNN14 deciding every 0.32 s, 32 kHz, 81 M parameters, mAP 0.385",
        file="Cnn14_DecisionLevelMax_mAP=0.385.pth",
        digest=None,
        heads=_heads(
            "cry_hub.panns.decision_level:max_classifier",
            frames="cry_hub.panns.decision_level:frame_classifier",
        ),
    ),
    _panns(
        "cnn14_decision_att_audioset",
        "cnn14:CNN14",
        summary=(
            "PANNs CNN14 deciding every 0.32 s with attention, 32 kHz, 82 M "
            "parameters, mAP 0.425"
        ),
        file="Cnn14_DecisionLevelAtt_mAP=0.425.pth",
        digest="md5:c8281ca2b9967244b91d557aa941e8ca",
        layouts=("cry_hub.panns.decision_level_porting:attention_state_dict_layout",),
        heads=_heads(
            "cry_hub.panns.decision_level:attention_classifier",
            frames="cry_hub.panns.decision_level:frame_classifier",
        ),
    ),
    _panns(
        "resnet22_audioset",
        "resnet22:ResNet22",
        summary="PANNs ResNet22, 32 kHz, 64 M parameters, AudioSet mAP 0.430",
        file="ResNet22_mAP=0.430.pth",
        digest="md5:cf36d413096793c4e15dc752a3abd599",
    ),
    _panns(
        "wavegram_logmel_cnn14_audioset",
        "wavegram_logmel_cnn14:WavegramLogmelCNN14",
        summary=(
            "PANNs Wavegram-Logmel-CNN14, 32 kHz, 81 M parameters, AudioSet mAP 0.439"
        ),
        file="Wavegram_Logmel_Cnn14_mAP=0.439.pth",
        digest="md5:17fa9ab65af3c0eb5ffbc5f65552c4e1",
    ),
)
