"""Pooling layers (a sequence of embeddings in, one vector out) and SpecAugment.

All honour masks.
"""

from cry_tf.layers.attention_pooling import AttentionPooling
from cry_tf.layers.average_pooling import AveragePooling
from cry_tf.layers.max_average_pooling import MaxAveragePooling
from cry_tf.layers.max_pooling import MaxPooling
from cry_tf.layers.pooling import POOLING_NAMES
from cry_tf.layers.spec_augment import SpecAugment
from cry_tf.layers.statistic_pooling import StatisticPooling

__all__ = [
    "POOLING_NAMES",
    "AttentionPooling",
    "AveragePooling",
    "MaxAveragePooling",
    "MaxPooling",
    "SpecAugment",
    "StatisticPooling",
]
