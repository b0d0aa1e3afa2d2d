"""A small network made with TensorFlow, which the package itself never imports."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cry_lite.front_ends import YAMNET
from cry_lite.metadata import pack
from cry_lite.spec import DecisionSpec, ModelSpec

SPEC = ModelSpec(
    task="detect",
    labels=("no_cry", "cry"),
    front_end=YAMNET,
    decision=DecisionSpec(window_s=1.0, hop_s=0.5),
    positive_label="cry",
)


def loudness_network(*input_shape: int | None) -> bytes:
    """Returns a `.tflite` that takes any loud sound for a cry.

    Its score is sigmoid(200 (mean |x| - 0.05)): 4.5e-5 for silence, 0.99998 for a
    mean magnitude of 0.1.
    """
    import tensorflow as tf

    class Loudness(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec(input_shape, tf.float32)])
        def __call__(self, waveform):
            cry = tf.sigmoid(200.0 * (tf.reduce_mean(tf.abs(waveform), -1) - 0.05))
            return tf.stack([1.0 - cry, cry], axis=-1)

    module = Loudness()
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [module.__call__.get_concrete_function()], module
    )
    return converter.convert()


@pytest.fixture(scope="session")
def network() -> Callable[..., bytes]:
    """Gives `loudness_network`, converting each input shape once."""
    made: dict[tuple[int | None, ...], bytes] = {}

    def get(*input_shape: int | None) -> bytes:
        if input_shape not in made:
            made[input_shape] = loudness_network(*input_shape)
        return made[input_shape]

    return get


@pytest.fixture(scope="session")
def dynamic_network(network) -> bytes:
    """The network for a waveform `(1, any length)`."""
    return network(1, None)


@pytest.fixture
def spec() -> ModelSpec:
    """The settings packed into `model_file`: windows of 1 s every 0.5 s."""
    return SPEC


@pytest.fixture(scope="session")
def model_file(dynamic_network, tmp_path_factory) -> Path:
    """The network for any length with its settings inside."""
    path = tmp_path_factory.mktemp("model") / "cry.tflite"
    path.write_bytes(pack(dynamic_network, SPEC, {"network": "loudness"}))
    return path
