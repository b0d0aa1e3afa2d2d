"""SpecAugment: stretches of time and bands hidden from a network in training."""

from __future__ import annotations

from typing import Any

import keras

ops: Any = keras.ops  # typed, wrongly, as often None


@keras.saving.register_keras_serializable(package="cry_tf")
class SpecAugment(keras.layers.Layer):
    """Hides stretches of time and of bands of a spectrogram, in training only.

    Each clip gets its own. A hidden value becomes the mean of the clip's real
    values, whatever the unit. Padding is neither hidden nor changed, and the
    length of what is hidden is drawn from the clip's own length. Outside
    training the inputs are unchanged.

    Patches are taken as windows on one time axis: where they overlap, the same
    moment is hidden in each of them, so no patch shows what another one hides.

    Args:
        time_masks: Stretches of time, 0 or more; they may overlap.
        max_time_frames: Longest stretch, frames, at least 1. Lengths are drawn
            evenly from 0 on.
        max_time_share: Longest stretch as a share of the clip's real frames,
            in (0, 1]; the smaller of the two bounds holds.
        band_masks: Stretches of bands, 0 or more.
        max_bands: Widest stretch of bands, at least 1.
        patch_hop_frames: Frames from the beginning of one patch to that of the
            next, for inputs of patches. None takes the length of a patch: no
            overlap.
        seed: Int, random seed of the stretches; None for a new one each time.
        **kwargs: Arguments of `keras.layers.Layer`.
    Call arguments:
        inputs: Float tensor `(batch, frames, bands)` or `(batch, patches,
            frames, bands)`.
        mask: Bool tensor `(batch, frames)` or `(batch, patches)`, True where a
            step is real, or None if all are.
        training: Bool; True hides, False returns the inputs.
    Output shape:
        That of the inputs, with the same mask.

    Raises:
        ValueError: If an argument breaks its rule or the inputs are not of rank
            3 or 4 with a fixed number of bands.

    Example:
    ```python
    inputs = keras.Input((None, 64))
    hidden = SpecAugment(max_time_frames=20, max_bands=8)(inputs)
    ```

    Reference:
        [Park et al., 2019](https://arxiv.org/abs/1904.08779), without time
        warping. The defaults are our choice.
    """

    def __init__(
        self,
        time_masks: int = 2,
        max_time_frames: int = 20,
        max_time_share: float = 0.2,
        band_masks: int = 2,
        max_bands: int = 8,
        patch_hop_frames: int | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if time_masks < 0 or band_masks < 0:
            raise ValueError(
                "time_masks and band_masks must not be negative. Received: "
                f"time_masks={time_masks}, band_masks={band_masks}."
            )
        if max_time_frames < 1 or max_bands < 1:
            raise ValueError(
                "max_time_frames and max_bands must be at least 1. Received: "
                f"max_time_frames={max_time_frames}, max_bands={max_bands}."
            )
        if not 0 < max_time_share <= 1:
            raise ValueError(
                "max_time_share must be in (0, 1]. Received: "
                f"max_time_share={max_time_share}."
            )
        if patch_hop_frames is not None and patch_hop_frames < 1:
            raise ValueError(
                "patch_hop_frames must be at least 1, or None. Received: "
                f"patch_hop_frames={patch_hop_frames}."
            )
        self.time_masks = time_masks
        self.max_time_frames = max_time_frames
        self.max_time_share = max_time_share
        self.band_masks = band_masks
        self.max_bands = max_bands
        self.patch_hop_frames = patch_hop_frames
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Checks that the input is a spectrogram, or patches of one."""
        fixed = input_shape[-2:] if len(input_shape) == 4 else input_shape[-1:]
        if len(input_shape) not in (3, 4) or None in fixed:
            raise ValueError(
                "SpecAugment takes (batch, frames, bands) or (batch, patches, frames, "
                "bands), with a fixed number of bands and of frames in a patch. "
                f"Received: input_shape={tuple(input_shape)}."
            )
        super().build(input_shape)

    def call(self, inputs, mask=None, training=None):
        if not training:
            return inputs
        steps = ops.shape(inputs)[:2]
        real = ops.ones(steps, "bool") if mask is None else ops.cast(mask, "bool")
        frame, frames = self._times(inputs, real)
        # (batch, steps) or (batch, patches, frames)
        hidden = self._drawn(
            self.time_masks,
            frame,
            frames,
            ops.minimum(
                float(self.max_time_frames), ops.floor(self.max_time_share * frames)
            ),
        )
        bands = inputs.shape[-1]
        hidden_bands = self._drawn(
            self.band_masks,
            ops.arange(bands, dtype="float32")[None],
            ops.full((steps[0],), float(bands)),
            ops.full((steps[0],), float(min(self.max_bands, bands))),
        )  # (batch, bands)
        for _ in range(len(inputs.shape) - 2):
            hidden_bands = ops.expand_dims(hidden_bands, 1)
        hidden = ops.logical_or(ops.expand_dims(hidden, -1), hidden_bands)
        for _ in range(len(inputs.shape) - 2):
            real = ops.expand_dims(real, -1)
        return ops.where(
            ops.logical_and(hidden, real), self._mean(inputs, real), inputs
        )

    def _times(self, inputs, real):
        """Returns the frame at which each step is, and the real frames of a clip.

        Padding is not counted, wherever it is.
        """
        count = ops.cast(real, "float32")
        step = ops.cumsum(count, axis=1) - 1.0
        steps = ops.sum(count, axis=1)
        if len(inputs.shape) == 3:
            return step, steps
        length = inputs.shape[2]
        hop = float(self.patch_hop_frames or length)
        within = ops.arange(length, dtype="float32")
        frames = ops.where(steps > 0, (steps - 1.0) * hop + float(length), 0.0)
        return ops.expand_dims(step * hop, -1) + within, frames

    def _drawn(self, masks, place, size, widest):
        """Returns whether a place `(batch or 1, ...)` is in one of the stretches.

        Args:
            masks: Number of stretches.
            place: Float tensor, places from 0 on.
            size: Float tensor `(batch,)`, the number of places.
            widest: Float tensor `(batch,)`, the longest stretch.
        """
        rank = len(place.shape)
        is_in = ops.zeros((ops.shape(size)[0], *[1] * (rank - 1)), "bool")
        for _ in range(masks):
            width = self._up_to(widest)
            start = self._up_to(size - width)
            for _ in range(rank - 1):
                width, start = ops.expand_dims(width, -1), ops.expand_dims(start, -1)
            here = ops.logical_and(place >= start, place < start + width)
            is_in = ops.logical_or(is_in, here)
        return is_in

    def _up_to(self, most):
        """Draws whole numbers from 0 to `most`, evenly."""
        share = keras.random.uniform(
            ops.shape(most), dtype="float32", seed=self.seed_generator
        )
        return ops.minimum(ops.floor(share * (most + 1.0)), most)

    def _mean(self, inputs, real):
        """Returns the mean of the real values of each clip, broadcastable."""
        values = ops.cast(inputs, "float32")
        values = ops.where(real, values, 0.0)
        axes = tuple(range(1, len(inputs.shape)))
        of_a_step = 1.0
        for size in inputs.shape[2:]:
            of_a_step *= size
        count = ops.sum(ops.cast(real, "float32"), axis=axes, keepdims=True) * of_a_step
        mean = ops.sum(values, axis=axes, keepdims=True) / ops.maximum(count, 1.0)
        return ops.cast(ops.stop_gradient(mean), inputs.dtype)

    def compute_mask(self, inputs, mask=None):
        return mask

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "time_masks": self.time_masks,
            "max_time_frames": self.max_time_frames,
            "max_time_share": self.max_time_share,
            "band_masks": self.band_masks,
            "max_bands": self.max_bands,
            "patch_hop_frames": self.patch_hop_frames,
            "seed": self.seed,
        }
