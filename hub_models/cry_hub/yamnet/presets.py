"""The record of YAMNet's weights."""

from __future__ import annotations

from types import MappingProxyType

from cry_hub.preset import Preset, WeightsFile
from cry_lite.front_ends import YAMNET

YAMNET_PRESETS = (
    Preset(
        name="yamnet_audioset",
        summary="MobileNet v1 on 0.96 s patches, 3.2 M parameters, AudioSet",
        backbone="cry_hub.yamnet.yamnet:YAMNet",
        from_scratch=MappingProxyType({"freeze_batch_norm": False}),
        front_end=YAMNET,
        licence="Apache-2.0",
        paper="https://arxiv.org/abs/1704.04861",
        source="tensorflow/models research/audioset/yamnet",
        files=(
            WeightsFile(
                name="yamnet.h5",
                url="https://storage.googleapis.com/audioset/yamnet.h5",
            ),
            # Layers out of several conversions of YAMNet, some exact, some of int8.
            # Batch norm is folded into kernels and biases.
            WeightsFile(
                name="yamnet_reconstructed_folded_f32.npz",
                digest=(
                    "sha256:94d0f0f3f9f1368edee359888b1ab4b6"
                    "be95ccfea7a673a52c05f009cb843b18"
                ),
                size_bytes=8_935_768,
                is_rebuilt=True,
            ),
        ),
        layouts=(
            "cry_hub.yamnet.porting:folded_layout",
            "cry_hub.yamnet.porting:keras_layout",
        ),
        heads=MappingProxyType(
            {"audioset": "cry_hub.yamnet.audioset:audioset_classifier"}
        ),
        label_file="yamnet/class_names.txt",
    ),
)
