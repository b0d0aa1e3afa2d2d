"""What is known of a preset: where its weights come from and what it needs."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from types import MappingProxyType
from typing import Any

from cry_lite.spec import FrontEndSpec

# Arguments that a `keras.Model` has, whichever it is.
_OF_EVERY_MODEL = ("name", "dtype", "trainable")


@dataclass(frozen=True, kw_only=True)
class WeightsFile:
    """A file of weights that the registry knows by its digest or its address.

    Attributes:
        name: Name of the file.
        url: Where it can be had, or None if there is no lasting address.
        digest: `sha256:HEX` or `md5:HEX`, or None if the authors gave none: it is
            then pinned when the file is first used.
        size_bytes: Its length, or None where it is not known.
        is_rebuilt: Whether somebody put it together from other files, so that its
            digest is known and its authors never published it.
    """

    name: str
    url: str | None = None
    digest: str | None = None
    size_bytes: int | None = None
    is_rebuilt: bool = False


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
        front_end: Sample rate and settings of the front end.
        licence: Licence of the weights (SPDX), or of the code if there are none.
        paper: Where the architecture was published.
        source: Where the weights come from, for a person to read.
        files: The weights files that are known, the one to fetch first.
        layouts: `module:function`s; each takes a model and returns the
            `layout.Layout` of one way in which its weights are named.
        heads: Name to `module:function` that puts that head on the backbone.
        label_file: Path in this package of the head's label names, or None.
        shipped: Path of bundled weights in this package, or None. They are
            `pretrained` if nothing is installed and no file has a URL.
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
    files: tuple[WeightsFile, ...] = ()
    layouts: tuple[str, ...] = ()
    heads: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    label_file: str | None = None
    shipped: str | None = None

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
            **arguments: More arguments of the backbone's constructor, as
                `z_score=True` for VGGish, YAMNet and DS-CNN.

        Returns:
            The backbone, or a `keras.Model` waveform -> logits with a head.

        Raises:
            ValueError: If the preset has no such head, or its backbone no such
                argument.
        """
        if head is not None and head not in self.heads:
            known = ", ".join(self.heads) or "none"
            raise ValueError(
                f"head must be None or one that {self.name} has ({known}). "
                f"Received: head={head!r}."
            )
        backbone_class = imported(self.backbone)
        named = [*inspect.signature(backbone_class.__init__).parameters][1:]
        taken = [name for name in named if name != "kwargs"] + [*_OF_EVERY_MODEL]
        unknown = sorted(arguments.keys() - set(taken))
        if unknown:
            raise ValueError(
                f"{self.name} takes no {' or '.join(unknown)}: its backbone "
                f"{backbone_class.__name__} takes "
                f"{', '.join(taken)}."
            )
        arguments = {**self.arguments, **arguments, "cutoff_hz": cutoff_hz}
        backbone = backbone_class(**arguments)
        return backbone if head is None else imported(self.heads[head])(backbone)


def imported(reference: str) -> Any:
    """Imports what a `module:name` reference points to."""
    module, name = reference.split(":")
    return getattr(importlib.import_module(module), name)
