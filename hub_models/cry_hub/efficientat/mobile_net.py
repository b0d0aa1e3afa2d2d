"""EfficientAT's MobileNet as a native Keras 3 graph."""

from __future__ import annotations

import math
from typing import Any

import keras

from cry_hub.backbone import Backbone
from cry_hub.efficientat import table
from cry_hub.efficientat.convolutions import Convolutions, EverySecondFrame
from cry_hub.frames import FramesToImage, ImageMask, MeanOverBands
from cry_hub.front_end import FrontEnd
from cry_hub.time_mask import TimeMask
from cry_lite.front_ends import EFFICIENTAT


@keras.saving.register_keras_serializable(package="cry_tf")
class EfficientAT(Backbone):
    """EfficientAT's MobileNet: 128 mel bands at 32 kHz, an embedding every 0.32 s.

    MobileNetV3-Large with a width: inverted residuals, squeeze-and-excitation over
    the channels, hard-swish. `mn04` has width 0.4 and 0.98 M parameters with its
    head, and tags AudioSet as well as CNN14 with 81 M. Every stride rounds up, so
    that a clip of one frame has an embedding too.

    Batch norm moves its statistics on in training, over the real frames of a batch;
    `backbone.trainable = False` freezes them.

    Args:
        width: Float > 0, what the channels of MobileNetV3-Large are multiplied by:
            0.1 for `mn01` to 4.0 for `mn40`.
        cutoff_hz: Float > 0, Hz: removes frequencies above it. None keeps all.
        **kwargs: `name`, `dtype` and `trainable` of a `keras.Model`.
    Call arguments:
        inputs: Float tensor `(batch, samples)` in [-1, 1] at 32 kHz. A faint
            tail is padding.
    Output shape:
        `(batch, ceil(frames / 32), features)`, 384 features for width 0.4.

    Raises:
        ValueError: If `width` is not positive.
    Reference:
        [Schmid et al., 2023](https://arxiv.org/abs/2211.04772),
        [Howard et al., 2019](https://arxiv.org/abs/1905.02244), table 1.
    """

    # 2 cores, shared: a 10 s clip took 22 ms, with XLA 400 ms. 8 clips of 7 s at once
    # took 14 ms a clip, one alone 37 ms.
    prefers_jit = False
    patches_per_batch = 176
    # The hidden layer of the AudioSet head, and its output.
    head_layers = ("fc1", "logits")
    frames_per_embedding = 32

    def __init__(
        self, width: float = 0.4, cutoff_hz: float | None = None, **kwargs: Any
    ):
        if not (math.isfinite(width) and width > 0):
            raise ValueError(
                f"width must be positive, 0.4 for mn04. Received: width={width}."
            )
        dtype = kwargs.get("dtype")
        spec = EFFICIENTAT.replace(cutoff_hz=cutoff_hz)

        waveform = keras.Input((None,), name="waveform")
        log_mel = FrontEnd(spec, name="frontend")(waveform)
        is_real = TimeMask(spec, name="frame_mask")(waveform)
        x = FramesToImage(1, dtype=dtype, name="image")(log_mel, is_real)
        mask = ImageMask(1, name="image_mask")(is_real)
        make = Convolutions(dtype)
        halved = EverySecondFrame(name="first_mask")(mask)
        filters = table.scaled(table.FIRST_FILTERS, width)
        # The image has its zeros already.
        x = make.conv(
            x, "first_conv", filters, halved, "hard_swish", kernel=3, stride=2
        )
        mask = halved
        blocks = table.blocks(width)
        for number, block in enumerate(blocks, start=1):
            x, mask = make.block(x, f"block{number}", block, mask)
        filters = table.LAST_EXPANSION * blocks[-1].filters
        x = make.conv(x, "last_conv", filters, mask, "hard_swish")
        embeddings = MeanOverBands(dtype=dtype, name="embeddings")(x)
        kwargs.setdefault("name", f"mn{round(10 * width):02d}")
        super().__init__(waveform, embeddings, front_end_spec=spec, **kwargs)
        self.width = width

    def time_mask(self) -> TimeMask:
        """Returns a new layer, waveform -> bool `(batch, time)`, True where real."""
        return TimeMask(
            self.front_end_spec, stride=self.frames_per_embedding, name="time_mask"
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width}
