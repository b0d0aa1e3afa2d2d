"""The record of VGGish's weights."""

from __future__ import annotations

from cry_hub.preset import Preset, WeightsFile
from cry_lite.front_ends import VGGISH

VGGISH_PRESETS = (
    Preset(
        name="vggish_audioset",
        summary="VGG of 9 layers on 0.96 s patches, 72 M parameters, YouTube-8M",
        backbone="cry_hub.vggish.vggish:VGGish",
        front_end=VGGISH,
        licence="Apache-2.0",
        paper="https://arxiv.org/abs/1609.09430",
        source="tensorflow/models research/audioset/vggish",
        files=(
            WeightsFile(
                name="vggish_model.ckpt",
                url="https://storage.googleapis.com/audioset/vggish_model.ckpt",
            ),
        ),
        layouts=("cry_hub.vggish.porting:slim_layout",),
    ),
)
