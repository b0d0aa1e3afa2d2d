"""Makes `import cry_tf` enough for `keras.saving.load_model`, without loading Keras.

Keras finds a saved class only if it is registered, and a class registers itself
when its module is imported, which takes TensorFlow with it. So the names are
registered beforehand, each with a stand-in that imports the class when a file
asks for it; and because Keras itself may not be loaded yet, that happens when it
is.
"""

from __future__ import annotations

import contextlib
import importlib
from typing import Any

# Every class below this package that Keras can save, by the module that registers
# it under the name `cry_tf>CLASS`.
SAVED_CLASSES = {
    "cry_hub.fast_training.convolution": ("Conv2D",),
    "cry_hub.ds_cnn.ds_cnn": ("DSCNN",),
    "cry_hub.efficientat.convolutions": ("EverySecondFrame", "HardSwish"),
    "cry_hub.efficientat.mobile_net": ("EfficientAT",),
    "cry_hub.front_end": ("FrontEnd",),
    "cry_hub.fast_training.normalization": (
        "FrozenBatchNormalization",
        "FusedBatchNormalization",
        "MaskedBatchNormalization",
    ),
    "cry_hub.hub_handle": ("HubBackbone", "HubProgram"),
    "cry_hub.panns.cnn10": ("CNN10",),
    "cry_hub.panns.cnn14": ("CNN14",),
    "cry_hub.frames": (
        "FramesToImage",
        "HalveMask",
        "ImageMask",
        "MaxPlusMeanOverTime",
        "MeanOverBands",
        "ZeroPadding",
    ),
    "cry_hub.panns.segments": (
        "AttentiveLogit",
        "MaxOverTime",
        "NeighbourMaxPlusMean",
        "SegmentsToFrames",
    ),
    "cry_hub.panns.low_pass": ("LowPass",),
    "cry_hub.panns.resnet22": ("ResNet22",),
    "cry_hub.panns.wavegram": ("ChannelsToBands", "WaveformToFrames", "WavegramMasks"),
    "cry_hub.panns.wavegram_logmel_cnn14": ("WavegramLogmelCNN14",),
    "cry_hub.patches": ("MeanOverPatches", "MergeMask", "MergePatches", "SplitPatches"),
    "cry_hub.time_mask": ("ClearPadding", "TimeMask"),
    "cry_hub.vggish.vggish": ("VGGish",),
    "cry_hub.waveform_classifier": ("WaveformClassifier",),
    "cry_hub.yamnet.yamnet": ("YAMNet",),
    "cry_tf.distillation.distiller": ("Distiller",),
    "cry_tf.distillation.schedule": ("Constant", "Cosine", "Linear"),
    "cry_tf.layers.pooling": (
        "AttentionPooling",
        "AveragePooling",
        "MaxAveragePooling",
        "MaxPooling",
        "StatisticPooling",
    ),
    "cry_tf.layers.prototype_logits": ("PrototypeLogits",),
    "cry_tf.layers.spec_augment": ("SpecAugment",),
    "cry_tf.losses.focal_loss": ("FocalLoss",),
    "cry_tf.losses.logit_adjusted_loss": ("LogitAdjustedLoss",),
    "cry_tf.models.cry_classifier": ("CryClassifier",),
    "cry_tf.models.cry_detector": ("CryDetector",),
}


def install() -> None:
    """Registers the names with Keras now, or as soon as it is imported."""
    # TensorFlow depends on wrapt: where it is missing, so is Keras.
    with contextlib.suppress(ModuleNotFoundError):
        import wrapt

        wrapt.register_post_import_hook(_register, "keras")


class _StandIn:
    """Takes the place of a class in Keras's registry until it is needed."""

    def __init__(self, module: str, name: str):
        self._module = module
        self._name = name

    def from_config(self, config: dict[str, Any], **kwargs: Any) -> Any:
        # Importing the module puts the class itself into the registry.
        saved_class = getattr(importlib.import_module(self._module), self._name)
        return saved_class.from_config(config, **kwargs)


def _register(keras: Any) -> None:
    # Only names: importing our modules here would meet those that are being
    # imported right now and brought Keras in.
    registry = keras.saving.get_custom_objects()
    for module, names in SAVED_CLASSES.items():
        for name in names:
            registry.setdefault(f"cry_tf>{name}", _StandIn(module, name))
