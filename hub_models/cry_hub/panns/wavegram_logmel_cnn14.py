"""Wavegram-Logmel-CNN14 of PANNs as a native Keras 3 graph."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from cry_hub.panns.cnn14 import CNN14
from cry_hub.panns.conv_blocks import (
    batch_norm,
    conv_block,
    convolution,
    two_convolutions,
)
from cry_hub.panns.low_pass import LowPass
from cry_hub.panns.panns_backbone import PANNsBackbone, block_modules
from cry_hub.panns.wavegram import (
    KERNEL_SAMPLES,
    POOL,
    STRIDE,
    ChannelsToBands,
    WaveformToFrames,
    WavegramMasks,
)
from cry_hub.time_mask import ClearPadding
from cry_lite.front_ends import PANNS_32K
from cry_lite.spec import FrontEndSpec

# Where `pre_bn0` begins, in place of 1: what the first convolution makes of a
# waveform of 0.1 RMS when it begins (He's variance of 2 times that squared).
_WAVE_VARIANCE = 0.02


@keras.saving.register_keras_serializable(package="cry_tf")
class WavegramLogmelCNN14(PANNsBackbone):
    """CNN14 that sees the waveform beside its log-mel, an embedding every 0.32 s.

    Convolutions make a wavegram of the waveform, 32 bands in 64 channels, which
    joins the log-mel spectrogram behind its first block. With `cutoff_hz` the
    waveform passes a low-pass first.

    Args:
        cutoff_hz: Float > 0, Hz: removes frequencies above it. None keeps all.
        **kwargs: `name`, `dtype` and `trainable` of a `keras.Model`.
    Call arguments:
        inputs: Float tensor `(batch, samples)` in [-1, 1] at 32 kHz. A faint
            tail is padding. Any length: see `cry_hub.panns.wavegram` for those
            that the original refuses.
    Output shape:
        `(batch, max(1, frames // 32), 2048)`.
    Reference:
        [Kong et al., 2020](https://arxiv.org/abs/1912.10211), section III-B.
    """

    # 2 cores: 4 clips of 10 s take 0.31 s each, with XLA 0.27 s; in a training step
    # clips of 7 s 0.74 s, with XLA 0.80 s.
    prefers_jit = True
    blocks = CNN14.blocks
    wave_filters = (64, 128, 128)

    def __init__(self, cutoff_hz: float | None = None, **kwargs: Any):
        kwargs.setdefault("name", "wavegram_logmel_cnn14")
        super().__init__(PANNS_32K.replace(cutoff_hz=cutoff_hz), **kwargs)

    def network(
        self, waveform: Any, image: Any, mask: Any, spec: FrontEndSpec, dtype: Any
    ) -> Any:
        wavegram = self._wavegram(waveform, spec, dtype)
        x, mask = self._blocks_from(1, image, mask, dtype, last=1)
        x = layers.Concatenate(dtype=dtype, name="log_mel_and_wavegram")((x, wavegram))
        return self._blocks_from(2, x, mask, dtype)[0]

    def _wavegram(self, waveform: Any, spec: FrontEndSpec, dtype: Any) -> Any:
        """Returns `(batch, frames // 2, 32, 64)` of `(batch, samples)`."""
        minimum = self.frames_per_embedding
        *masks, frame_mask = WavegramMasks(minimum, name="wavegram_masks")(waveform)
        # Part of the front end: what quantization leaves alone by its name.
        if spec.cutoff_hz is not None and spec.cutoff_hz < spec.sample_rate_hz / 2:
            x = LowPass(spec.cutoff_hz, spec.sample_rate_hz, name="frontend_low_pass")(
                waveform
            )
        else:
            x = ClearPadding(name="frontend_clear")(waveform)
        x = WaveformToFrames(minimum, dtype=dtype, name="wave")(x)
        x = convolution(
            x,
            64,
            "pre_conv0",
            dtype,
            size=KERNEL_SAMPLES,
            strides=STRIDE,
            padding="valid",
        )
        x = batch_norm(
            x,
            masks[0],
            "pre_bn0",
            dtype,
            moving_variance_initializer=keras.initializers.Constant(_WAVE_VARIANCE),
        )
        x = layers.ReLU(dtype=dtype, name="pre_relu0")(x)
        for block, (filters, mask) in enumerate(
            zip(self.wave_filters, masks, strict=True), start=1
        ):
            name = f"pre_block{block}"
            x = two_convolutions(x, mask, filters, name, dtype, dilations=(1, 2))
            x = layers.MaxPooling1D(POOL, dtype=dtype, name=f"{name}_pool")(x)
        x = ChannelsToBands(32, dtype=dtype, name="wavegram")(x)
        return conv_block(x, frame_mask, 64, "pre_block4", dtype, pool=(2, 1))[0]

    @property
    def state_dict_modules(self) -> tuple[str, ...]:
        """PyTorch's names of the modules that have weights."""
        blocks = (f"pre_block{i + 1}" for i in range(len(self.wave_filters) + 1))
        wave = (each for block in blocks for each in block_modules(block))
        return (*super().state_dict_modules, "pre_conv0", "pre_bn0", *wave)
