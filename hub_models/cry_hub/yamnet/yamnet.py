"""YAMNet as a native Keras 3 graph."""

from __future__ import annotations

import functools
from typing import Any

import keras
from keras import layers

from cry_hub.fast_training.normalization import (
    FrozenBatchNormalization,
    FusedBatchNormalization,
)
from cry_hub.front_end import FrontEnd
from cry_hub.patch_backbone import PatchBackbone
from cry_hub.patches import MergePatches, SplitPatches, he_depthwise
from cry_lite.front_ends import YAMNET

# Kind, stride, filters; every kernel is 3 x 3, every padding "same". From
# tensorflow/models, research/audioset/yamnet/yamnet.py (MobileNet v1, table 1).
LAYERS = (
    ("conv", 2, 32),
    ("separable", 1, 64),
    ("separable", 2, 128),
    ("separable", 1, 128),
    ("separable", 2, 256),
    ("separable", 1, 256),
    ("separable", 2, 512),
    ("separable", 1, 512),
    ("separable", 1, 512),
    ("separable", 1, 512),
    ("separable", 1, 512),
    ("separable", 1, 512),
    ("separable", 2, 1024),
    ("separable", 1, 1024),
)
# From research/audioset/yamnet/params.py; batch norm has an offset and no scale.
BATCH_NORM_EPSILON = 1e-4


@keras.saving.register_keras_serializable(package="cry_tf")
class YAMNet(PatchBackbone):
    """YAMNet: MobileNet v1 over 0.96 s patches of 64 mel bands, every 0.48 s.

    Args:
        cutoff_hz: Float > 0, Hz: removes frequencies above it. None keeps all.
        freeze_batch_norm: Bool. True keeps batch norm on its moving statistics
            in training too, its offset being trained as a bias: pretrained
            weights have batch norm folded into them and lose their sense with a
            batch's own statistics. False is for training from random weights;
            the padding of a batch then takes part in its statistics.
        pre_emphasis: Float in [0, 1], see `cry_lite.spec.FrontEndSpec`.
        z_score: Bool, see there. Both come before the spectrogram.
        **kwargs: `name`, `dtype` and `trainable` of a `keras.Model`.
    Call arguments:
        inputs: Float tensor `(batch, samples)` in [-1, 1] at 16 kHz. A faint
            tail is padding.
    Output shape:
        `(batch, patches, 1024)`.
    Reference:
        [tensorflow/models](https://github.com/tensorflow/models/tree/master/research/audioset/yamnet),
        [Howard et al., 2017](https://arxiv.org/abs/1704.04861).
    """

    # 2 cores: 400 times real time at 30 to 40 patches, 280 at 320 and 300 at 10;
    # XLA is 7 to 20 times slower on depthwise convolutions.
    prefers_jit = False
    patches_per_batch = 32

    def __init__(
        self,
        cutoff_hz: float | None = None,
        freeze_batch_norm: bool = True,
        pre_emphasis: float = 0.0,
        z_score: bool = False,
        **kwargs: Any,
    ):
        dtype = kwargs.get("dtype")
        spec = YAMNET.replace(
            cutoff_hz=cutoff_hz, pre_emphasis=pre_emphasis, z_score=z_score
        )
        # Keras's momentum of 0.99 needs some 500 steps to forget where it began.
        norm = (
            FrozenBatchNormalization
            if freeze_batch_norm
            else functools.partial(FusedBatchNormalization, momentum=0.9)
        )

        def batch_norm(x, name):
            x = norm(
                scale=False, epsilon=BATCH_NORM_EPSILON, dtype=dtype, name=f"{name}_bn"
            )(x)
            return layers.ReLU(dtype=dtype, name=f"{name}_relu")(x)

        def conv(x, name, filters, kernel, stride):
            x = layers.Conv2D(
                filters,
                kernel,
                stride,
                padding="same",
                use_bias=False,
                kernel_initializer="he_normal",
                dtype=dtype,
                name=name,
            )(x)
            return batch_norm(x, name)

        def depthwise(x, name, stride):
            x = layers.DepthwiseConv2D(
                3,
                stride,
                padding="same",
                use_bias=False,
                depthwise_initializer=he_depthwise(),
                dtype=dtype,
                name=name,
            )(x)
            return batch_norm(x, name)

        waveform = keras.Input((None,), name="waveform")
        patches = FrontEnd(spec, name="frontend")(waveform)
        x = MergePatches(dtype=dtype, name="merge_patches")(patches)
        for number, (kind, stride, filters) in enumerate(LAYERS, start=1):
            name = f"layer{number}"
            if kind == "conv":
                x = conv(x, f"{name}_conv", filters, 3, stride)
            else:
                x = depthwise(x, f"{name}_depthwise_conv", stride)
                x = conv(x, f"{name}_pointwise_conv", filters, 1, 1)
        x = layers.GlobalAveragePooling2D(dtype=dtype, name="global_average")(x)
        embeddings = SplitPatches(dtype=dtype, name="embeddings")(x, patches)
        kwargs.setdefault("name", "yamnet")
        super().__init__(waveform, embeddings, front_end_spec=spec, **kwargs)
        self.freeze_batch_norm = freeze_batch_norm

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "freeze_batch_norm": self.freeze_batch_norm,
            "pre_emphasis": self.front_end_spec.pre_emphasis,
            "z_score": self.front_end_spec.z_score,
        }
