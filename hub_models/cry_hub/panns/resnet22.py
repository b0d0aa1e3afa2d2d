"""ResNet22 of PANNs as a native Keras 3 graph."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from cry_hub.frames import HalveMask
from cry_hub.panns.conv_blocks import conv_block, residual_block
from cry_hub.panns.panns_backbone import PANNsBackbone, block_modules
from cry_lite.front_ends import PANNS_32K
from cry_lite.spec import FrontEndSpec


@keras.saving.register_keras_serializable(package="cry_tf")
class ResNet22(PANNsBackbone):
    """ResNet22: 4 stages of 2 residual blocks, an embedding every 0.32 s.

    A block of CNN14's stands before the residual blocks and one behind them, and a
    pool between the two.

    Args:
        cutoff_hz: Float > 0, Hz: removes frequencies above it. None keeps all.
        **kwargs: `name`, `dtype` and `trainable` of a `keras.Model`.
    Call arguments:
        inputs: Float tensor `(batch, samples)` in [-1, 1] at 32 kHz. A faint
            tail is padding.
    Output shape:
        `(batch, max(1, frames // 32), 2048)`.
    Reference:
        [Kong et al., 2020](https://arxiv.org/abs/1912.10211), table III.
    """

    # 2 cores: 4 clips of 10 s take 0.16 s each, with XLA 0.15 s; in a training step
    # clips of 7 s 0.38 s, with XLA 0.45 s.
    prefers_jit = True
    # The one before the residual blocks; the one behind them is no pool's.
    blocks = ((64, True),)
    stages = (64, 128, 256, 512)
    last_filters = 2048

    def __init__(self, cutoff_hz: float | None = None, **kwargs: Any):
        kwargs.setdefault("name", "resnet22")
        super().__init__(PANNS_32K.replace(cutoff_hz=cutoff_hz), **kwargs)

    def network(
        self, waveform: Any, image: Any, mask: Any, spec: FrontEndSpec, dtype: Any
    ) -> Any:
        del waveform, spec
        x, mask = self._blocks_from(1, image, mask, dtype)
        for stage, filters in enumerate(self.stages, start=1):
            for block in (0, 1):
                x, mask = residual_block(
                    x,
                    mask,
                    filters,
                    f"resnet_layer{stage}_{block}",
                    dtype,
                    halves=stage > 1 and block == 0,
                )
        x = layers.AveragePooling2D(2, dtype=dtype, name="resnet_pool")(x)
        mask = HalveMask(name="resnet_mask")(mask)
        return conv_block(
            x, mask, self.last_filters, "conv_block_after1", dtype, pool=None
        )[0]

    @property
    def frames_per_embedding(self) -> int:
        """How many frames of the front end become one embedding."""
        return 32  # conv_block1, the stages 2 to 4 and the last pool halve them

    @property
    def state_dict_modules(self) -> tuple[str, ...]:
        """PyTorch's names of the modules that have weights."""
        modules = [*super().state_dict_modules]
        for stage in range(1, len(self.stages) + 1):
            for block in (0, 1):
                name = f"resnet.layer{stage}.{block}"
                modules += block_modules(name)
                if stage > 1 and block == 0:
                    modules += [f"{name}.downsample.1", f"{name}.downsample.2"]
        return (*modules, *block_modules("conv_block_after1"))
