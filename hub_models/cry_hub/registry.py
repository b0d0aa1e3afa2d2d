"""One frozen record for every preset: where it comes from and what it needs."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from types import MappingProxyType
from typing import Any

from cry_lite.front_ends import PANNS_8K, PANNS_16K, PANNS_32K, VGGISH, YAMNET
from cry_lite.spec import FrontEndSpec


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A backbone that can be built by name.

    Classes and functions are named, not imported, so that listing presets
    loads no framework.

    Attributes:
        name: `architecture_data`, as users type it.
        summary: One line for lists.
        backbone: `module:class` of the backbone.
        arguments: Constructor arguments of the backbone that make this preset.
        from_scratch: More of them, for a model that starts from random weights.
        front_end: How the backbone hears.
        licence: Licence of the weights (SPDX), or of the code if there are none.
        paper: Where the architecture was published.
        source: Where the weights come from, for a person to read.
        files: sha256 (hex) to file name, for every weights file that is known.
        published: Address to digest (`md5:HEX` or `sha256:HEX`) of the files of the
            authors in a format that is not read here.
        layouts: `module:function`s; each takes a model and returns the
            `porting.Layout` of one way in which its weights are named.
        heads: Name to `module:function` that puts that head on the backbone.
        label_file: Path in this package of the head's label names, or None.
    """

    name: str
    summary: str
    backbone: str
    front_end: FrontEndSpec
    licence: str
    paper: str
    source: str
    arguments: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    from_scratch: Mapping[str, Any] = field(
        default_factory=lambda: MappingProxyType({})
    )
    files: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    published: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    layouts: tuple[str, ...] = ()
    heads: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    label_file: str | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the head's outputs in order; empty if there is no head."""
        if self.label_file is None:
            return ()
        text = resources.files("cry_hub").joinpath(self.label_file).read_text("utf-8")
        return tuple(line for line in text.splitlines() if not line.startswith("#"))

    def build(
        self,
        head: str | None = None,
        *,
        cutoff_hz: float | None = None,
        **arguments: Any,
    ) -> Any:
        """Builds the preset with random weights.

        Args:
            head: None for the backbone alone, or the name of one of its heads.
            cutoff_hz: Float, see `cry_lite.spec.FrontEndSpec`, or None.
            **arguments: More arguments of the backbone's constructor.

        Returns:
            The backbone, or a `keras.Model` waveform -> logits with a head.

        Raises:
            ValueError: If the preset has no such head.
        """
        if head is not None and head not in self.heads:
            known = ", ".join(self.heads) or "none"
            raise ValueError(
                f"head must be None or one that {self.name} has ({known}). "
                f"Received: head={head!r}."
            )
        arguments = {**self.arguments, **arguments, "cutoff_hz": cutoff_hz}
        backbone = imported(self.backbone)(**arguments)
        return backbone if head is None else imported(self.heads[head])(backbone)


def imported(reference: str) -> Any:
    """Imports what a `module:name` reference points to."""
    module, name = reference.split(":")
    return getattr(importlib.import_module(module), name)


def presets() -> tuple[str, ...]:
    """Returns the name of every preset."""
    return tuple(_PRESETS)


def get(preset: str) -> Preset:
    """Returns the record of a preset.

    Raises:
        ValueError: If there is no such preset.
    """
    if preset not in _PRESETS:
        raise ValueError(
            f"preset must be one of {', '.join(_PRESETS)}. Received: preset={preset!r}."
        )
    return _PRESETS[preset]


def _panns(name: str, backbone: str, front_end: FrontEndSpec, **facts: Any) -> Preset:
    """Returns the record of a network of PANNs trained on AudioSet."""
    return Preset(
        name=name,
        backbone=backbone,
        front_end=front_end,
        licence="CC-BY-4.0",
        paper="https://arxiv.org/abs/1912.10211",
        layouts=("cry_hub.panns.porting:state_dict_layout",),
        heads=MappingProxyType(
            {"audioset": "cry_hub.panns.audioset:audioset_classifier"}
        ),
        label_file="panns/class_names.txt",
        **facts,
    )


def _zenodo(file_name: str, digest: str) -> Mapping[str, str]:
    address = f"https://zenodo.org/record/3987831/files/{file_name}"
    return MappingProxyType({address: digest})


_PRESETS = {
    record.name: record
    for record in (
        Preset(
            name="yamnet_audioset",
            summary="MobileNet v1 on 0.96 s patches, 3.2 M parameters, AudioSet",
            backbone="cry_hub.yamnet.yamnet:YAMNet",
            from_scratch=MappingProxyType({"freeze_batch_norm": False}),
            front_end=YAMNET,
            licence="Apache-2.0",
            paper="https://arxiv.org/abs/1704.04861",
            source=(
                "tensorflow/models research/audioset/yamnet; "
                "batch norm folded into kernels and biases"
            ),
            files=MappingProxyType(
                {
                    "94d0f0f3f9f1368edee359888b1ab4b6"
                    "be95ccfea7a673a52c05f009cb843b18": (
                        "yamnet_reconstructed_folded_f32.npz"
                    )
                }
            ),
            layouts=("cry_hub.yamnet.porting:folded_layout",),
            heads=MappingProxyType(
                {"audioset": "cry_hub.yamnet.audioset:audioset_classifier"}
            ),
            label_file="yamnet/class_names.txt",
        ),
        Preset(
            name="vggish_audioset",
            summary="VGG of 9 layers on 0.96 s patches, 72 M parameters, YouTube-8M",
            backbone="cry_hub.vggish.vggish:VGGish",
            front_end=VGGISH,
            licence="Apache-2.0",
            paper="https://arxiv.org/abs/1609.09430",
            source=(
                "tfhub.dev/google/vggish/1, or "
                "storage.googleapis.com/audioset/vggish_model.ckpt, published "
                "without a digest; its arrays in an .npz under the checkpoint's "
                "names (vggish/conv1/weights)"
            ),
            layouts=("cry_hub.vggish.porting:slim_layout",),
        ),
        Preset(
            name="ds_cnn_s",
            summary="our small student on the same patches, trained from scratch",
            backbone="cry_hub.ds_cnn.ds_cnn:DSCNN",
            arguments=MappingProxyType({"size": "s"}),
            front_end=YAMNET,
            licence="Apache-2.0",
            paper="https://arxiv.org/abs/1711.07128",
            source="trained by you: no pretrained weights are published",
        ),
        _panns(
            "cnn10_audioset",
            "cry_hub.panns.cnn10:CNN10",
            PANNS_32K,
            summary="PANNs CNN10, 32 kHz, 5 M parameters, AudioSet mAP 0.380",
            source="Cnn10_mAP=0.380.pth of PANNs, Zenodo record 3987831",
            published=_zenodo(
                "Cnn10_mAP%3D0.380.pth",
                "sha256:5240bdc47444e331bbeb54fd741d2b3f"
                "933a4526e84b0c17bf3593df94b13962",
            ),
        ),
        _panns(
            "cnn14_audioset",
            "cry_hub.panns.cnn14:CNN14",
            PANNS_32K,
            summary="PANNs CNN14, 32 kHz, 81 M parameters, AudioSet mAP 0.431",
            source="Cnn14_mAP=0.431.pth of PANNs, Zenodo record 3987831",
            published=_zenodo(
                "Cnn14_mAP%3D0.431.pth", "md5:541141fa2ee191a88f24a3219fff024e"
            ),
        ),
        _panns(
            "cnn14_16k_audioset",
            "cry_hub.panns.cnn14:CNN14",
            PANNS_16K,
            arguments=MappingProxyType({"sample_rate_hz": 16_000}),
            summary="PANNs CNN14, 16 kHz, 81 M parameters, AudioSet mAP 0.438",
            source="Cnn14_16k_mAP=0.438.pth of PANNs, Zenodo record 3987831",
            published=_zenodo(
                "Cnn14_16k_mAP%3D0.438.pth", "md5:362fc5ff18f1d6ad2f6d464b45893f2c"
            ),
        ),
        _panns(
            "cnn14_8k_audioset",
            "cry_hub.panns.cnn14:CNN14",
            PANNS_8K,
            arguments=MappingProxyType({"sample_rate_hz": 8_000}),
            summary="PANNs CNN14, 8 kHz, 81 M parameters, AudioSet",
            source=(
                "Cnn14_8k of PANNs, Zenodo record 3987831; no digest is known here"
            ),
        ),
    )
}
