"""A backbone small enough to train in a test, and clips it can tell apart."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest

from cry_hub.backbone import Backbone
from cry_hub.front_end import FrontEnd
from cry_lite.spec import FrontEndSpec

TOY_SPEC = FrontEndSpec(
    sample_rate_hz=8_000,
    window_samples=64,
    hop_samples=32,
    fft_length=64,
    mel_bands=8,
    min_hz=100.0,
    max_hz=4_000.0,
    mel_scale="htk",
    spectrum="magnitude",
    log_scale="ln",
    log_offset=0.01,
    patch_frames=8,
    patch_hop_frames=4,
)


@keras.saving.register_keras_serializable(package="cry_tf_tests")
class ToyBackbone(Backbone):
    """One dense layer and batch norm on each patch."""

    def __init__(self, cutoff_hz=None, **kwargs):
        waveform = keras.Input((None,), name="waveform")
        x = FrontEnd(TOY_SPEC)(waveform)
        x = keras.layers.Reshape((-1, 64), name="flatten")(x)
        x = keras.layers.Dense(12, name="dense")(x)
        x = keras.layers.BatchNormalization(momentum=0.5, name="norm")(x)
        x = keras.layers.Activation("tanh", name="embeddings")(x)
        kwargs.setdefault("name", "toy")
        super().__init__(waveform, x, front_end_spec=TOY_SPEC, **kwargs)


@pytest.fixture
def toy_backbone() -> Backbone:
    keras.utils.set_random_seed(0)
    return ToyBackbone()


@pytest.fixture
def tones(rng) -> tuple[np.ndarray, np.ndarray]:
    """Low tones are 0, high tones are 1; lengths differ, zeros follow."""
    labels = np.arange(24) % 2
    waveforms = np.zeros((24, 2_000), "float32")
    for waveform, label in zip(waveforms, labels, strict=True):
        samples = rng.integers(300, 2_000)
        frequency_hz = (300, 2_500)[label] * rng.uniform(0.9, 1.1)
        phase = 2 * np.pi * frequency_hz * np.arange(samples) / 8_000
        noise = rng.normal(size=samples)
        waveform[:samples] = 0.3 * np.sin(phase) + 0.05 * noise
    return waveforms, labels


@pytest.fixture
def policy() -> Callable[[str], None]:
    """Returns a setter of Keras's dtype policy, undone after the test."""
    before = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before)
