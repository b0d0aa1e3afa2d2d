"""Layers of a network that classifies cries.

Pooling layers take a sequence of embeddings and give one vector, masks honoured;
`PrototypeLogits` compares that vector with one direction a label; `SpecAugment`
hides parts of a spectrogram in training.
"""

from cry_tf.layers.pooling import (
    POOLING_NAMES,
    AttentionPooling,
    AveragePooling,
    MaxAveragePooling,
    MaxPooling,
    SequencePooling,
    StatisticPooling,
)
from cry_tf.layers.prototype_logits import PrototypeLogits
from cry_tf.layers.spec_augment import SpecAugment

__all__ = [
    "POOLING_NAMES",
    "AttentionPooling",
    "AveragePooling",
    "MaxAveragePooling",
    "MaxPooling",
    "PrototypeLogits",
    "SequencePooling",
    "SpecAugment",
    "StatisticPooling",
]
