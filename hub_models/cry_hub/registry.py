"""Every preset by its name, one `presets.py` a family."""

from __future__ import annotations

from cry_hub.ds_cnn.presets import DS_CNN_PRESETS
from cry_hub.efficientat.presets import EFFICIENTAT_PRESETS
from cry_hub.panns.presets import PANNS_PRESETS
from cry_hub.preset import Preset
from cry_hub.vggish.presets import VGGISH_PRESETS
from cry_hub.yamnet.presets import YAMNET_PRESETS

_PRESETS = {
    preset.name: preset
    for family in (
        YAMNET_PRESETS,
        VGGISH_PRESETS,
        PANNS_PRESETS,
        EFFICIENTAT_PRESETS,
        DS_CNN_PRESETS,
    )
    for preset in family
}


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
