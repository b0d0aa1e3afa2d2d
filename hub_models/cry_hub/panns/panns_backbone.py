"""What the networks of PANNs have in common."""

from __future__ import annotations

from typing import Any, ClassVar

import keras
from keras import layers

from cry_hub.backbone import Backbone
from cry_hub.front_end import FrontEnd
from cry_hub.masked_batch_normalization import MaskedBatchNormalization
from cry_hub.panns.frames import (
    FramesToImage,
    HalveMask,
    ImageMask,
    MeanOverBands,
    ZeroPadding,
)
from cry_hub.time_mask import TimeMask
from cry_lite.spec import FrontEndSpec

# PyTorch's defaults, which PANNs keeps; its momentum of 0.1 is 0.9 in Keras.
BATCH_NORM_EPSILON = 1e-5
BATCH_NORM_MOMENTUM = 0.9

# Where `bn0` begins, in dB: about the mean and the variance of log-mel bands, so
# that a network that never trained works at the scale of one that did.
_MEAN_DB, _VARIANCE_DB = -30.0, 400.0


class PANNsBackbone(Backbone):
    """Blocks of two 3 x 3 convolutions and a pool over a log-mel spectrogram.

    A subclass says which blocks, and hands over its front end. Pooling drops an
    incomplete pair of frames at the end, as PyTorch's does: a clip gives
    `max(1, frames // frames_per_embedding)` embeddings. One shorter than that is
    completed with frames of zeros behind `bn0` (the original refuses it).

    Batch norm is Keras's own but for the mask: PANNs' weights come with the
    statistics of their batch norm, so training moves them on, over the real frames
    of a batch, and `backbone.trainable = False` freezes them.

    Attributes:
        blocks: Filters of each block, and whether it pools 2 x 2.
    """

    blocks: ClassVar[tuple[tuple[int, bool], ...]]
    # The hidden layer of the AudioSet head, and its output.
    head_layers = ("fc1", "logits")

    def __init__(self, spec: FrontEndSpec, **kwargs: Any):
        """Builds the graph over a front end."""
        dtype = kwargs.get("dtype")
        minimum = self.frames_per_embedding

        def batch_norm(x, name, mask, **arguments):
            return MaskedBatchNormalization(
                momentum=BATCH_NORM_MOMENTUM,
                epsilon=BATCH_NORM_EPSILON,
                dtype=dtype,
                name=name,
                **arguments,
            )(x, mask=mask)

        waveform = keras.Input((None,), name="waveform")
        log_mel = FrontEnd(spec, name="frontend")(waveform)
        is_real = TimeMask(spec, name="frame_mask")(waveform)
        x = batch_norm(
            log_mel,
            "bn0",
            is_real,
            moving_mean_initializer=keras.initializers.Constant(_MEAN_DB),
            moving_variance_initializer=keras.initializers.Constant(_VARIANCE_DB),
        )
        x = FramesToImage(minimum, dtype=dtype, name="image")(x, is_real)
        mask = ImageMask(minimum, name="image_mask")(is_real)
        for block, (filters, pools) in enumerate(self.blocks, start=1):
            for conv in (1, 2):
                if (block, conv) != (1, 1):  # the image has its zeros already
                    name = f"conv_block{block}_padding{conv}"
                    x = ZeroPadding(dtype=dtype, name=name)(x, mask)
                x = layers.Conv2D(
                    filters,
                    3,
                    padding="same",
                    use_bias=False,
                    kernel_initializer="he_normal",
                    dtype=dtype,
                    name=f"conv_block{block}_conv{conv}",
                )(x)
                x = batch_norm(x, f"conv_block{block}_bn{conv}", mask)
                x = layers.ReLU(dtype=dtype, name=f"conv_block{block}_relu{conv}")(x)
            if pools:
                x = layers.AveragePooling2D(
                    2, dtype=dtype, name=f"conv_block{block}_pool"
                )(x)
                mask = HalveMask(name=f"conv_block{block}_mask")(mask)
        embeddings = MeanOverBands(dtype=dtype, name="embeddings")(x)
        super().__init__(waveform, embeddings, front_end_spec=spec, **kwargs)

    @property
    def frames_per_embedding(self) -> int:
        """How many frames of the front end become one embedding."""
        return 2 ** sum(pools for _, pools in self.blocks)

    def time_mask(self) -> TimeMask:
        """Returns a new layer, waveform -> bool `(batch, time)`, True where real."""
        return TimeMask(
            self.front_end_spec,
            stride=self.frames_per_embedding,
            partial_group="drop",
            name="time_mask",
        )
