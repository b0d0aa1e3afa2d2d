"""CNN14 of PANNs as a native Keras 3 graph."""

from __future__ import annotations

from typing import Any

import keras

from cry_hub.panns.panns_backbone import PANNsBackbone
from cry_lite.front_ends import PANNS_8K, PANNS_16K, PANNS_32K

_FRONT_ENDS = {spec.sample_rate_hz: spec for spec in (PANNS_32K, PANNS_16K, PANNS_8K)}


@keras.saving.register_keras_serializable(package="cry_tf")
class CNN14(PANNsBackbone):
    """CNN14: 6 blocks over 64 mel bands, an embedding every 0.32 s.

    Args:
        sample_rate_hz: Int, 32000, 16000 or 8000. Weights of one rate are of no
            use at another: the mel bands are others.
        cutoff_hz: Float > 0, Hz: removes frequencies above it. None keeps all.
        **kwargs: `name`, `dtype` and `trainable` of a `keras.Model`.
    Call arguments:
        inputs: Float tensor `(batch, samples)` in [-1, 1] at `sample_rate_hz`.
            A faint tail is padding.
    Output shape:
        `(batch, max(1, frames // 32), 2048)`.

    Raises:
        ValueError: If `sample_rate_hz` is another.
    Reference:
        [Kong et al., 2020](https://arxiv.org/abs/1912.10211), table II.
    """

    # 2 cores: 4 clips of 10 s take 0.24 s each, with XLA 0.21 s; in a training step
    # clips of 7 s 0.54 s, with XLA 0.57 s.
    prefers_jit = True
    # Those of the head of `decision_level` too.
    head_layers = ("fc1", "attention", "logits")
    # The last block has a pool of 1 x 1, which is none.
    blocks = (
        (64, True),
        (128, True),
        (256, True),
        (512, True),
        (1024, True),
        (2048, False),
    )

    def __init__(
        self,
        sample_rate_hz: int = 32_000,
        cutoff_hz: float | None = None,
        **kwargs: Any,
    ):
        if sample_rate_hz not in _FRONT_ENDS:
            raise ValueError(
                "sample_rate_hz must be 32000, 16000 or 8000 for CNN14. Received: "
                f"sample_rate_hz={sample_rate_hz}."
            )
        kwargs.setdefault("name", "cnn14")
        spec = _FRONT_ENDS[sample_rate_hz].replace(cutoff_hz=cutoff_hz)
        super().__init__(spec, **kwargs)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "sample_rate_hz": self.front_end_spec.sample_rate_hz,
        }
