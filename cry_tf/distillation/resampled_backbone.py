"""A backbone that hears waveforms of another sample rate than its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cry_tf.distillation.resampling import Resampler


class ResampledBackbone:
    """A backbone behind a band-limited resampler, as the embedding cache takes it.

    Args:
        backbone: A `cry_hub` backbone.
        from_hz: Rate of the waveforms, Hz.
    """

    def __init__(self, backbone: Any, from_hz: int):
        own = backbone.front_end_spec
        self._backbone = backbone
        self._resample = Resampler(from_hz, own.sample_rate_hz)
        self.front_end_spec = _Heard(from_hz, own)
        self.prefers_jit: bool = backbone.prefers_jit

    @property
    def weights(self) -> list[Any]:
        """The backbone's."""
        return self._backbone.weights

    def time_mask(self) -> Any:
        """Returns what gives the backbone's mask of a waveform."""
        mask = self._backbone.time_mask()
        return lambda waveforms: mask(self._resample(waveforms))

    def __call__(self, waveforms: Any, training: bool = False) -> Any:
        """Returns the backbone's embeddings `(batch, time, features)`."""
        return self._backbone(self._resample(waveforms), training=training)

    def get_config(self) -> dict[str, Any]:
        """Returns what the embeddings depend on besides weights and rate."""
        kind = type(self._backbone)
        return {
            "backbone": f"{kind.__module__}.{kind.__name__}",
            "config": self._backbone.get_config(),
        }


@dataclass(frozen=True)
class _Heard:
    sample_rate_hz: int
    behind: Any

    def to_dict(self) -> dict[str, Any]:
        return {"sample_rate_hz": self.sample_rate_hz, "then": self.behind.to_dict()}
