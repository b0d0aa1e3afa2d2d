"""Cry detectors and classifiers as plain Keras models."""

from cry_tf.models.cry_classifier import CryClassifier
from cry_tf.models.cry_detector import CryDetector
from cry_tf.models.cry_model import CryModel

__all__ = ["CryClassifier", "CryDetector", "CryModel"]
