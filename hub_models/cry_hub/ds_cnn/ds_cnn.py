"""DS-CNN: the small student that ends up on a device."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from cry_hub.fast_training.normalization import MaskedBatchNormalization
from cry_hub.front_end import FrontEnd
from cry_hub.patch_backbone import PatchBackbone
from cry_hub.patches import MergeMask, MergePatches, SplitPatches, he_depthwise
from cry_hub.time_mask import TimeMask
from cry_lite.front_ends import YAMNET

# Filters of the first convolution, then stride and filters of each block.
SIZES = {
    # 80,208 parameters. The first stride is 4 in time and 2 in frequency: patches
    # have 96 frames of 10 ms, which a cry's contour does not need.
    "s": (24, ((2, 48), (1, 64), (2, 128), (1, 128), (1, 128), (1, 192))),
    # 402,288 parameters. Its width stands behind a third stride, where a position
    # is cheap: five times the weights of `s` for less than twice the time.
    "m": (
        40,
        (
            *((2, 80), (1, 96)),
            *((2, 192), (1, 192), (1, 192), (1, 192)),
            *((2, 256), (1, 288), (1, 384)),
        ),
    ),
}


@keras.saving.register_keras_serializable(package="cry_tf")
class DSCNN(PatchBackbone):
    """Depthwise-separable network over the patches of YAMNet's front end.

    A convolution, blocks of depthwise and pointwise convolution, and a mean: each
    followed by batch norm (folded into it on a device) and ReLU, so that nothing
    is left that int8 does badly. It is trained from random weights, quickly: on 2
    cores a training step of `s` takes 1 ms a patch, 500 times real time. A clip of
    10 s takes `m` 1.4 times as long as `s` in TFLite and a third as long as YAMNet,
    the front end counted.

    Args:
        size: String, the row of `SIZES` to build.
        cutoff_hz: Float > 0, Hz: removes frequencies above it. None keeps all.
        pre_emphasis: Float in [0, 1], see `cry_lite.spec.FrontEndSpec`.
        z_score: Bool, see there. Both come before the spectrogram.
        **kwargs: `name`, `dtype` and `trainable` of a `keras.Model`.
    Call arguments:
        inputs: Float tensor `(batch, samples)` in [-1, 1] at 16 kHz. A faint
            tail is padding; it changes neither the embeddings of the other
            patches nor what a training step learns.
    Output shape:
        `(batch, patches, 192)` for `s`, `(batch, patches, 384)` for `m`.

    Raises:
        ValueError: If there is no such size.
    Reference:
        [Zhang et al., 2017](https://arxiv.org/abs/1711.07128), with stride in the
        blocks instead of the first layer alone.
    """

    # 2 cores: 2900 times real time at 120 patches, 1000 at 10; XLA trains 14 times
    # slower.
    prefers_jit = False
    patches_per_batch = 128

    def __init__(
        self,
        size: str = "s",
        cutoff_hz: float | None = None,
        pre_emphasis: float = 0.0,
        z_score: bool = False,
        **kwargs: Any,
    ):
        if size not in SIZES:
            raise ValueError(
                f"size must be one of {', '.join(SIZES)}. Received: size={size!r}."
            )
        dtype = kwargs.get("dtype")
        spec = YAMNET.replace(
            cutoff_hz=cutoff_hz, pre_emphasis=pre_emphasis, z_score=z_score
        )
        first_filters, blocks = SIZES[size]

        waveform = keras.Input((None,), name="waveform")
        patches = FrontEnd(spec, name="frontend")(waveform)
        mask = TimeMask(spec, name="patch_mask")(waveform)
        mask = MergeMask(name="merge_mask")(mask)

        def normalized(x, name):
            # Keras's momentum of 0.99 needs some 500 steps to forget where it
            # began; a short run has fewer.
            x = MaskedBatchNormalization(momentum=0.9, dtype=dtype, name=f"{name}_bn")(
                x, mask=mask
            )
            return layers.ReLU(dtype=dtype, name=f"{name}_relu")(x)

        def conv(x, name, filters, kernel, strides):
            x = layers.Conv2D(
                filters,
                kernel,
                strides,
                padding="same",
                use_bias=False,
                kernel_initializer="he_normal",
                dtype=dtype,
                name=name,
            )(x)
            return normalized(x, name)

        def depthwise(x, name, strides):
            x = layers.DepthwiseConv2D(
                3,
                strides,
                padding="same",
                use_bias=False,
                depthwise_initializer=he_depthwise(),
                dtype=dtype,
                name=name,
            )(x)
            return normalized(x, name)

        x = MergePatches(dtype=dtype, name="merge_patches")(patches)
        # Log-mel bands lie in [-7, 5]; after this in [-1.3, 2.7].
        x = layers.Rescaling(1 / 3, 1.0, dtype=dtype, name="normalize")(x)
        x = conv(x, "conv", first_filters, (7, 5), (4, 2))
        for number, (stride, filters) in enumerate(blocks, start=1):
            x = depthwise(x, f"block{number}_depthwise_conv", stride)
            x = conv(x, f"block{number}_pointwise_conv", filters, 1, 1)
        x = layers.GlobalAveragePooling2D(dtype=dtype, name="global_average")(x)
        embeddings = SplitPatches(dtype=dtype, name="embeddings")(x, patches)
        kwargs.setdefault("name", f"ds_cnn_{size}")
        super().__init__(waveform, embeddings, front_end_spec=spec, **kwargs)
        self.size = size

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "size": self.size,
            "pre_emphasis": self.front_end_spec.pre_emphasis,
            "z_score": self.front_end_spec.z_score,
        }
