"""Cry detectors and classifiers as plain Keras models."""

from cry_tf.models.cry_classifier import CryClassifier
from cry_tf.models.cry_detector import CryDetector
from cry_tf.models.cry_model import CryModel
from cry_tf.models.spectrogram_hiding import with_spec_augment

__all__ = ["CryClassifier", "CryDetector", "CryModel", "with_spec_augment"]
