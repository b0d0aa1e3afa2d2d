"""VGGish as a native Keras 3 graph."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from cry_hub.fast_training.convolution import Conv2D
from cry_hub.front_end import FrontEnd
from cry_hub.patch_backbone import PatchBackbone
from cry_hub.patches import MergePatches, SplitPatches
from cry_lite.front_ends import VGGISH

# Scope and filters of every convolution (3 x 3, stride 1, "same", with a bias),
# by group; a 2 x 2 max pooling ends each group. Scope and units of every dense
# layer. From tensorflow/models, research/audioset/vggish/vggish_slim.py
# (configuration A of VGG with 11 layers, its last group left out).
CONV_GROUPS = (
    (("conv1", 64),),
    (("conv2", 128),),
    (("conv3/conv3_1", 256), ("conv3/conv3_2", 256)),
    (("conv4/conv4_1", 512), ("conv4/conv4_2", 512)),
)
DENSE_LAYERS = (("fc1/fc1_1", 4096), ("fc1/fc1_2", 4096), ("fc2", 128))


def layer_name(scope: str) -> str:
    """Returns the name of our layer for a scope of the source."""
    return scope.rsplit("/", maxsplit=1)[-1]


@keras.saving.register_keras_serializable(package="cry_tf")
class VGGish(PatchBackbone):
    """VGGish: 6 convolutions and 3 dense layers over patches of 0.96 s.

    Patches follow each other without overlap, and the tail of a clip that does
    not fill one is left out, as in the source. The embedding is what the last
    dense layer gives, before any ReLU: the published weights' own output, which
    some ports to other frameworks change by a ReLU of theirs.

    Args:
        cutoff_hz: Float > 0, Hz: removes frequencies above it. None keeps all.
        pre_emphasis: Float in [0, 1], see `cry_lite.spec.FrontEndSpec`; 0 as the
            published weights were trained.
        z_score: Bool, see there; False as the published weights were trained. With
            all layers trained, "pre-emphasis and z-score normalization" before the
            "public VGGish spectrogram feature extractor" is how a paper on infant
            cries prepares them, in that order, for clips of 0.18 to 2.5 s. It gives
            no coefficient; 0.97 is the usual one.
        **kwargs: `name`, `dtype` and `trainable` of a `keras.Model`.
    Call arguments:
        inputs: Float tensor `(batch, samples)` in [-1, 1] at 16 kHz. A faint
            tail is padding. A clip shorter than a patch is completed.
    Output shape:
        `(batch, patches, 128)`.
    Reference:
        [tensorflow/models](https://github.com/tensorflow/models/tree/master/research/audioset/vggish),
        [Hershey et al., 2017](https://arxiv.org/abs/1609.09430).
    """

    # 2 busy cores: 62 times real time at 32 patches, 64 at 64 and 49 at 8; XLA
    # takes 9 % longer to train and 20 % longer to infer, after 5 s of compiling.
    prefers_jit = False
    patches_per_batch = 32

    def __init__(
        self,
        cutoff_hz: float | None = None,
        pre_emphasis: float = 0.0,
        z_score: bool = False,
        **kwargs: Any,
    ):
        dtype = kwargs.get("dtype")
        spec = VGGISH.replace(
            cutoff_hz=cutoff_hz, pre_emphasis=pre_emphasis, z_score=z_score
        )

        def relu(x, name):
            return layers.ReLU(dtype=dtype, name=f"{name}_relu")(x)

        waveform = keras.Input((None,), name="waveform")
        patches = FrontEnd(spec, name="frontend")(waveform)
        x = MergePatches(dtype=dtype, name="merge_patches")(patches)
        for number, group in enumerate(CONV_GROUPS, start=1):
            for scope, filters in group:
                name = layer_name(scope)
                x = Conv2D(
                    filters,
                    3,
                    padding="same",
                    kernel_initializer="he_normal",
                    dtype=dtype,
                    name=name,
                )(x)
                x = relu(x, name)
            x = layers.MaxPooling2D(
                2, 2, padding="same", dtype=dtype, name=f"pool{number}"
            )(x)
        # (patches, 6, 4, 512) to (patches, 12288): channels vary fastest.
        x = layers.Flatten(dtype=dtype, name="flatten")(x)
        for scope, units in DENSE_LAYERS:
            name = layer_name(scope)
            x = layers.Dense(
                units, kernel_initializer="he_normal", dtype=dtype, name=name
            )(x)
            if scope != DENSE_LAYERS[-1][0]:
                x = relu(x, name)
        embeddings = SplitPatches(dtype=dtype, name="embeddings")(x, patches)
        kwargs.setdefault("name", "vggish")
        super().__init__(waveform, embeddings, front_end_spec=spec, **kwargs)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "pre_emphasis": self.front_end_spec.pre_emphasis,
            "z_score": self.front_end_spec.z_score,
        }
