"""Networks so small that a test takes no time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest

from cry_hub.backbone import Backbone
from cry_hub.front_end import FrontEnd
from cry_lite.spec import FrontEndSpec
from cry_tf import CryClassifier

SPEC = FrontEndSpec(
    sample_rate_hz=8_000,
    window_samples=64,
    hop_samples=32,
    fft_length=64,
    mel_bands=8,
    min_hz=100.0,
    max_hz=3_000.0,
    mel_scale="htk",
    spectrum="magnitude",
    log_scale="ln",
    log_offset=0.01,
    patch_frames=8,
    patch_hop_frames=4,
)


@keras.saving.register_keras_serializable(package="cry_tf_distillation_tests")
class Ear(Backbone):
    """A front end, one dense layer and batch norm on each patch."""

    def __init__(self, rate_hz=8_000, units=6, cutoff_hz=None, **kwargs):
        factor = rate_hz // 8_000
        spec = replace(
            SPEC,
            sample_rate_hz=rate_hz,
            window_samples=64 * factor,
            hop_samples=32 * factor,
            fft_length=64 * factor,
        )
        waveform = keras.Input((None,), name="waveform")
        x = FrontEnd(spec)(waveform)
        x = keras.layers.Reshape((-1, 64), name="flatten")(x)
        x = keras.layers.Dense(units, name="dense")(x)
        x = keras.layers.BatchNormalization(momentum=0.5, name="norm")(x)
        kwargs.setdefault("name", "ear")
        super().__init__(waveform, x, front_end_spec=spec, **kwargs)
        self.rate_hz, self.units = rate_hz, units

    def get_config(self):
        return {**super().get_config(), "rate_hz": self.rate_hz, "units": self.units}


@pytest.fixture(scope="session")
def make_classifier() -> Callable[..., CryClassifier]:
    def make(seed=0, labels=("low", "high", "none"), **kwargs) -> CryClassifier:
        keras.utils.set_random_seed(seed)
        return CryClassifier(Ear(**kwargs), labels, pooling="average")

    return make


@pytest.fixture(scope="session")
def make_network() -> Callable[..., keras.Model]:
    """A classifier of vectors, for what does not depend on sound."""

    def make(units=4, labels=3, activation="softmax", seed=0, penalty=None, norm=True):
        inputs = keras.Input((5,))
        weights = keras.initializers.RandomNormal(seed=seed)
        x = keras.layers.Dense(
            units,
            activation="tanh",
            kernel_initializer=weights,
            kernel_regularizer=penalty,
            name="embedding",
        )(inputs)
        if norm:
            x = keras.layers.BatchNormalization(momentum=0.5, name="norm")(x)
        weights = keras.initializers.RandomNormal(stddev=2.0, seed=seed + 1)
        x = keras.layers.Dense(labels, kernel_initializer=weights, name="logits")(x)
        if activation is not None:
            x = keras.layers.Activation(activation, name="scores")(x)
        return keras.Model(inputs, x)

    return make


@pytest.fixture
def vectors(rng) -> np.ndarray:
    return rng.normal(size=(8, 5)).astype(np.float32)


def softmax(logits):
    scores = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return scores / scores.sum(axis=-1, keepdims=True)


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


def divergence(p, q):
    return p * np.log(p / q)


def loss_of_the_paper(y, teachers, student, temperature, alpha, activation="softmax"):
    """The loss of each clip as PAPERS.md writes it, float64, equal teachers."""
    teachers, student = (np.asarray(each, np.float64) for each in (teachers, student))
    if activation == "softmax":
        p = softmax(teachers / temperature).mean(axis=0)
        soft = divergence(p, softmax(student / temperature)).sum(axis=-1)
        is_labelled = y >= 0
        hard = -np.log(softmax(student)[np.arange(len(y)), y])
    else:
        p = sigmoid(teachers / temperature).mean(axis=0)
        q = sigmoid(student / temperature)
        soft = (divergence(p, q) + divergence(1 - p, 1 - q)).mean(axis=-1)
        is_labelled = (y >= 0).all(axis=-1)
        q = sigmoid(student)
        hard = -(y * np.log(q) + (1 - y) * np.log(1 - q)).mean(axis=-1)
    hard = np.where(is_labelled, hard, 0)
    return alpha * hard + (1 - alpha) * temperature**2 * soft


def logits(model, x):
    return keras.Model(model.input, model.get_layer("logits").output)(x).numpy()


def compiled(distiller, optimizer="sgd", **kwargs):
    distiller.compile(optimizer, run_eagerly=True, **kwargs)
    return distiller


@pytest.fixture(scope="session")
def reference() -> Callable[..., np.ndarray]:
    """The loss of the paper in NumPy."""
    return loss_of_the_paper


@pytest.fixture(scope="session")
def logits_of() -> Callable[..., np.ndarray]:
    """What a network says before its activation."""
    return logits


@pytest.fixture(scope="session")
def eager() -> Callable[..., Any]:
    """Compiles a distiller that needs no tracing."""
    return compiled
