"""Layers of a network that hears cries.

Pooling layers take a sequence of embeddings and give one vector, masks honoured;
`PrototypeLogits` compares that vector with one direction a label; `SpecAugment`
hides parts of a spectrogram in training.
"""

from cry_tf.layers.attention_pooling import AttentionPooling
from cry_tf.layers.average_pooling import AveragePooling
from cry_tf.layers.max_average_pooling import MaxAveragePooling
from cry_tf.layers.max_pooling import MaxPooling
from cry_tf.layers.pooling import POOLING_NAMES
from cry_tf.layers.prototype_logits import PrototypeLogits
from cry_tf.layers.spec_augment import SpecAugment
from cry_tf.layers.statistic_pooling import StatisticPooling

__all__ = [
    "POOLING_NAMES",
    "AttentionPooling",
    "AveragePooling",
    "MaxAveragePooling",
    "MaxPooling",
    "PrototypeLogits",
    "SpecAugment",
    "StatisticPooling",
]
