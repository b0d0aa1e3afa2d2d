from __future__ import annotations

import keras
import numpy as np
import pytest

import cry_hub
from cry_export.compress.layer_set import twin_names
from cry_tf.models import CryClassifier

pytest.importorskip("tf_keras", reason="the twin is a Keras 2 model")

from cry_export.compress import twin as twins  # noqa: E402

LABELS = ("hungry", "tired", "burping")


def shake(model: keras.Model, rng: np.random.Generator) -> None:
    """Gives every weight a value of its own, statistics of batch norm among them."""
    for layer in twin_names(model).values():
        values = [np.asarray(value) for value in layer.weights]
        # Positive, so that a variance stays one.
        layer.set_weights(
            [v + 0.05 * np.abs(rng.normal(size=v.shape)) * v.std() for v in values]
        )


def padded_clips(rng: np.random.Generator, samples: int = 24_000) -> np.ndarray:
    """Three clips: a full one, half of one and one of 300 samples."""
    clips = 0.1 * rng.standard_normal((3, samples))
    clips[1, samples // 2 :] = 0
    clips[2, 300:] = 0
    return clips.astype(np.float32)


@pytest.fixture(scope="module")
def classifier() -> CryClassifier:
    keras.utils.set_random_seed(0)
    backbone = cry_hub.load("ds_cnn_s", weights=None)
    model = CryClassifier(backbone, LABELS, pooling="statistic", dropout=0.5)
    shake(model, np.random.default_rng(0))
    return model


@pytest.fixture(scope="module")
def twin(classifier):
    return twins.build(classifier)


def test_the_twin_answers_as_the_model(classifier, twin, rng):
    # Models within the model, layers of ours with and without weights, masks.
    clips = padded_clips(rng)
    expected = np.asarray(classifier(clips))
    # Two implementations of the same float32 graph.
    np.testing.assert_allclose(np.asarray(twin(clips)), expected, atol=3e-6)


def test_the_twin_of_another_model_answers_otherwise(classifier, twin, rng):
    clips = padded_clips(rng)
    before = np.asarray(twin(clips))
    layer = twin.get_layer("block1_pointwise_conv")
    kept = layer.get_weights()
    layer.set_weights([-value for value in kept])
    assert np.abs(np.asarray(twin(clips)) - before).max() > 1e-4
    layer.set_weights(kept)


def test_training_the_twin_leaves_the_statistics_of_batch_norm(twin, rng):
    norms = [layer for layer in twin.layers if layer.name.endswith("_bn")]
    before = [layer.get_weights()[2:] for layer in norms]
    twin.compile("sgd", "categorical_crossentropy", run_eagerly=True)
    twin.train_on_batch(padded_clips(rng), np.eye(3, dtype=np.float32))
    after = [layer.get_weights()[2:] for layer in norms]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)


def test_the_trained_weights_come_back_by_name(classifier, twin):
    weights = twins.read_weights(twin, classifier)
    for name, layer in twin_names(classifier).items():
        for number, value in enumerate(layer.weights):
            assert weights[f"{name}/{number}"].shape == tuple(value.shape)
    assert len(weights) == len(classifier.weights)


@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["attention", "average", "max", "max_average"])
def test_every_pooling_and_head_has_a_twin(pooling, rng):
    head = {"average": "prototype", "max": "mlp"}.get(pooling, "softmax")
    backbone = cry_hub.load("ds_cnn_s", weights=None)
    model = CryClassifier(backbone, LABELS, pooling=pooling, head=head)
    shake(model, rng)
    clips = padded_clips(rng)
    expected, found = np.asarray(model(clips)), np.asarray(twins.build(model)(clips))
    np.testing.assert_allclose(found, expected, atol=3e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "cnn10_audioset",
        "ds_cnn_m",
        "mn04_audioset",
        "resnet22_audioset",
        "vggish_audioset",
        "wavegram_logmel_cnn14_audioset",
        "yamnet_audioset",
    ],
)
def test_every_kind_of_network_has_a_twin(name, rng):
    backbone = cry_hub.load(name, weights=None)
    shake(backbone, rng)
    clips = padded_clips(rng, backbone.front_end_spec.sample_rate_hz)
    expected = np.asarray(backbone(clips))
    found = np.asarray(twins.build(backbone)(clips))
    # Sums of up to 4608 float32 products a layer, in another order.
    assert np.abs(found - expected).max() <= 2e-5 * np.abs(expected).max()
    assert np.abs(expected).std() > 0


@pytest.mark.slow
@pytest.mark.assets
def test_yamnet_with_its_real_weights_has_a_twin(assets, rng):
    weights = assets / "weights/yamnet/yamnet_reconstructed_folded_f32.npz"
    backbone = cry_hub.load("yamnet_audioset", weights=weights)
    clips = padded_clips(rng)
    expected = np.asarray(backbone(clips))
    found = np.asarray(twins.build(backbone)(clips))
    np.testing.assert_allclose(found, expected, atol=3e-6 * np.abs(expected).max())
