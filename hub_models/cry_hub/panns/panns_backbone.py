"""What the networks of PANNs have in common."""

from __future__ import annotations

from typing import Any, ClassVar

import keras

from cry_hub.backbone import Backbone
from cry_hub.frames import FramesToImage, ImageMask, MeanOverBands
from cry_hub.front_end import FrontEnd
from cry_hub.panns.conv_blocks import batch_norm, conv_block
from cry_hub.time_mask import TimeMask
from cry_lite.spec import FrontEndSpec

# Where `bn0` begins, in dB: about the mean and the variance of log-mel bands, so
# that a network that never trained works at the scale of one that did.
_MEAN_DB, _VARIANCE_DB = -30.0, 400.0


class PANNsBackbone(Backbone):
    """Blocks of two 3 x 3 convolutions and a pool over a log-mel spectrogram.

    A subclass says which blocks, and hands over its front end; one that is more
    than a row of blocks overrides `network`. Pooling drops an
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
        waveform = keras.Input((None,), name="waveform")
        log_mel = FrontEnd(spec, name="frontend")(waveform)
        is_real = TimeMask(spec, name="frame_mask")(waveform)
        x = batch_norm(
            log_mel,
            is_real,
            "bn0",
            dtype,
            moving_mean_initializer=keras.initializers.Constant(_MEAN_DB),
            moving_variance_initializer=keras.initializers.Constant(_VARIANCE_DB),
        )
        image = FramesToImage(minimum, dtype=dtype, name="image")(x, is_real)
        mask = ImageMask(minimum, name="image_mask")(is_real)
        x = self.network(waveform, image, mask, spec, dtype)
        embeddings = MeanOverBands(dtype=dtype, name="embeddings")(x)
        super().__init__(waveform, embeddings, front_end_spec=spec, **kwargs)

    def network(
        self, waveform: Any, image: Any, mask: Any, spec: FrontEndSpec, dtype: Any
    ) -> Any:
        """Builds the network over its image.

        Args:
            waveform: Float tensor `(batch, samples)`, the model's input.
            image: Float tensor `(batch, frames, bands, 1)`, zeros where a frame
                is padding; at least `frames_per_embedding` frames.
            mask: Bool tensor `(batch, frames, 1)`, True where a frame is real.
            spec: The front end.
            dtype: Dtype policy of the layers, or None.

        Returns:
            Float tensor `(batch, time, bands, features)`.
        """
        del waveform, spec
        return self._blocks_from(1, image, mask, dtype)[0]

    def _blocks_from(
        self, first: int, x: Any, mask: Any, dtype: Any, last: int | None = None
    ) -> tuple[Any, Any]:
        """Puts the blocks `first` to `last` on, counted from 1."""
        for number, (filters, pools) in enumerate(self.blocks[:last], start=1):
            if number >= first:
                x, mask = conv_block(
                    x,
                    mask,
                    filters,
                    f"conv_block{number}",
                    dtype,
                    pool=(2, 2) if pools else None,
                    is_padded=number == 1,  # the image has its zeros already
                )
        return x, mask

    @property
    def frames_per_embedding(self) -> int:
        """How many frames of the front end become one embedding."""
        return 2 ** sum(pools for _, pools in self.blocks)

    @property
    def state_dict_modules(self) -> tuple[str, ...]:
        """PyTorch's names of the modules that have weights.

        The layer of a module has its name, with underscores for dots.
        """
        blocks = (f"conv_block{i + 1}" for i in range(len(self.blocks)))
        return ("bn0", *(each for block in blocks for each in block_modules(block)))

    def time_mask(self) -> TimeMask:
        """Returns a new layer, waveform -> bool `(batch, time)`, True where real."""
        return TimeMask(
            self.front_end_spec,
            stride=self.frames_per_embedding,
            partial_group="drop",
            name="time_mask",
        )


def block_modules(block: str) -> tuple[str, ...]:
    """Returns PyTorch's names of what has weights in a block of two convolutions."""
    return tuple(f"{block}.{each}" for each in ("conv1", "bn1", "conv2", "bn2"))
