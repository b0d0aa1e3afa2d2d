import keras
import numpy as np
import pytest

from cry_tf.layers import PrototypeLogits


@pytest.fixture
def layer(rng):
    layer = PrototypeLogits(3)
    layer.build((None, 5))
    layer.center.assign(rng.normal(size=5))
    layer.deviation.assign(rng.uniform(0.5, 2, 5))
    layer.prototypes.assign(rng.normal(size=(5, 3)))
    layer.scale.assign(7.0)
    layer.bias.assign(rng.normal(size=3))
    return layer


def test_it_is_the_scaled_cosine(layer, rng):
    x = rng.normal(size=(8, 5)).astype("float32")
    z = (x - layer.center.numpy()) / layer.deviation.numpy()
    prototypes = layer.prototypes.numpy()
    lengths = np.linalg.norm(z, axis=1)[:, None] * np.linalg.norm(prototypes, axis=0)
    expected = 7 * z @ prototypes / lengths + layer.bias.numpy()
    np.testing.assert_allclose(layer(x), expected, rtol=1e-5, atol=1e-5)


def test_the_center_itself_has_the_bias_for_logits(layer):
    found = layer(layer.center.numpy()[None])
    np.testing.assert_allclose(found, layer.bias.numpy()[None], atol=1e-6)


def test_it_can_be_trained_and_saved(rng, tmp_path):
    truth = np.arange(30) % 3
    x = (rng.normal(size=(30, 5)) + 3 * np.eye(5)[truth]).astype("float32")
    model = keras.Sequential([keras.Input((5,)), PrototypeLogits(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.1), loss, metrics=["accuracy"])
    first = model.evaluate(x, truth, verbose=0)[0]
    model.fit(x, truth, epochs=20, verbose=0)
    assert model.evaluate(x, truth, verbose=0)[0] < first / 2
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        model.predict(x, verbose=0), again.predict(x, verbose=0)
    )
    assert len(model.trainable_weights) == 3


def test_only_vectors_are_taken():
    with pytest.raises(ValueError, match=r"one vector a clip, \(batch, features\)"):
        PrototypeLogits(2).build((None, 4, 3))
    with pytest.raises(ValueError, match="labels must be positive"):
        PrototypeLogits(0)
