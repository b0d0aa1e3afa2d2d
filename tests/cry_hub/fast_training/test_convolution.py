import keras
import numpy as np
import pytest
import tensorflow as tf

import cry_hub.fast_training.convolution
from cry_hub.fast_training import convolution
from cry_hub.fast_training.convolution import Conv2D
from cry_hub.fast_training.prepare import prepare_training

CHANNELS = 128
on_processor = pytest.mark.skipif(
    bool(tf.config.list_physical_devices("GPU")), reason="a GPU keeps Keras's kernels"
)


@pytest.fixture
def images(rng):
    return rng.normal(size=(3, 13, 18, CHANNELS)).astype("float32")


@pytest.fixture
def calls(monkeypatch):
    """Remembers the shape of every batch that takes the fast way."""
    seen = []
    convolve = convolution.convolve

    def remembers(x, kernel):
        seen.append(tuple(x.shape))
        return convolve(x, kernel)

    monkeypatch.setattr(convolution, "convolve", remembers)
    return seen


def outputs_and_gradients(convolve, x, kernel, dy):
    x, kernel = tf.constant(x), tf.constant(kernel)
    with tf.GradientTape() as tape:
        tape.watch((x, kernel))
        y = convolve(x, kernel)
    return y, *tape.gradient(y, (x, kernel), tf.constant(dy))


def by_definition(x, kernel):
    return tf.nn.conv2d(x, kernel, 1, "SAME")


def error(found, exact):
    return np.sqrt(np.mean((found - exact) ** 2) / np.mean(exact**2))


@pytest.mark.parametrize("is_dynamic", [False, True])
@pytest.mark.parametrize(
    "shape", [(2, 12, 8, 7), (1, 13, 18, 64), (3, 5, 3, 16), (2, 1, 1, 4), (1, 2, 9, 3)]
)
def test_it_is_a_convolution_with_its_gradients(rng, shape, is_dynamic):
    x = rng.normal(size=shape)
    kernel = rng.normal(size=(3, 3, shape[-1], 6))
    dy = rng.normal(size=(*shape[:-1], 6))
    convolve = convolution.convolve
    if is_dynamic:
        images = tf.TensorSpec((None, None, None, shape[-1]))
        signature = [images, tf.TensorSpec(kernel.shape)]
        convolve = tf.function(convolve, input_signature=signature)

    exact = outputs_and_gradients(by_definition, x, kernel, dy)
    found = outputs_and_gradients(
        convolve, *(each.astype("float32") for each in (x, kernel, dy))
    )

    for ours, theirs in zip(found, exact, strict=True):
        assert ours.shape == theirs.shape
        assert error(ours.numpy(), theirs.numpy()) < 5e-6


def test_it_rounds_as_finely_as_its_docstring_says(rng):
    x = rng.normal(size=(2, 40, 32, 256))
    kernel = rng.normal(size=(3, 3, 256, 32)) / np.sqrt(9 * 256)
    exact = by_definition(tf.constant(x), tf.constant(kernel)).numpy()
    found = convolution.convolve(
        tf.constant(x, "float32"), tf.constant(kernel, "float32")
    ).numpy()

    assert np.std(exact) == pytest.approx(1, abs=0.05)
    assert np.sqrt(np.mean((found - exact) ** 2)) < 2.5e-6


def trained(layer, images):
    """Returns outputs and gradients of a training step."""
    with tf.GradientTape() as tape:
        y = layer(images, training=True)
        loss = tf.reduce_mean(tf.square(y))
    return y.numpy(), *map(np.array, tape.gradient(loss, layer.trainable_weights))


@on_processor
@pytest.mark.parametrize("activation", [None, "relu"])
def test_the_layer_trains_as_that_of_keras_does(images, calls, activation):
    arguments = {"padding": "same", "activation": activation, "use_bias": True}
    theirs = keras.layers.Conv2D(8, 3, **arguments)
    ours = Conv2D(8, 3, **arguments)
    for layer in (theirs, ours):
        layer.build(images.shape)
    weights = [theirs.kernel.numpy(), np.linspace(-1, 1, 8)]
    theirs.set_weights(weights)
    ours.set_weights(weights)
    prepare_training(ours, jit_compile=False)

    for found, expected in zip(
        trained(ours, images), trained(theirs, images), strict=True
    ):
        assert error(found, expected) < 5e-6
    assert calls == [images.shape]


def test_inference_is_that_of_keras_bit_by_bit(images, calls):
    layer = Conv2D(8, 3, padding="same")
    prepare_training(layer, jit_compile=False)
    found = layer(images, training=False)

    np.testing.assert_array_equal(
        found, keras.ops.conv(images, layer.kernel, padding="same")
    )
    assert not calls


@pytest.mark.parametrize(
    "arguments",
    [
        {"strides": 2},
        {"dilation_rate": 2},
        {"padding": "valid"},
        {"kernel_size": 5},
        {"groups": 2},
        {"dtype": "mixed_bfloat16"},
    ],
)
def test_what_the_algorithm_does_not_know_is_left_to_keras(images, calls, arguments):
    arguments = {"kernel_size": 3, "padding": "same"} | arguments
    layer = Conv2D(8, **arguments)
    prepare_training(layer, jit_compile=False)

    found = layer(images, training=True)

    plain = keras.layers.Conv2D(8, **arguments)
    plain.build(images.shape)
    plain.set_weights(layer.get_weights())
    np.testing.assert_array_equal(
        keras.ops.cast(found, "float32"), keras.ops.cast(plain(images), "float32")
    )
    assert not calls


def test_without_being_prepared_and_with_xla_it_is_keras(images, calls):
    layer = Conv2D(8, 3, padding="same")
    trained(layer, images)
    prepare_training(layer, jit_compile=True)
    trained(layer, images)

    assert not calls


@on_processor
def test_few_channels_or_few_clips_take_the_definition(images, calls):
    layer = Conv2D(8, 3, padding="same")
    prepare_training(layer, jit_compile=False)
    assert convolution.count_tiles(images) == 3 * 4 * 5
    trained(layer, images[:2])
    narrow = Conv2D(8, 3, padding="same")
    prepare_training(narrow, jit_compile=False)
    trained(narrow, images[..., :16])
    assert not calls

    trained(layer, images)
    assert calls == [images.shape]


def test_one_graph_serves_batches_of_any_size(rng, images):
    """A graph decides when it runs: a long batch and a short one are both right."""
    layer = Conv2D(8, 3, padding="same")
    prepare_training(layer, jit_compile=False)
    layer.build(images.shape)
    step = tf.function(
        lambda x: trained_in_graph(layer, x),
        input_signature=[tf.TensorSpec((None, None, None, CHANNELS))],
    )
    for batch in (images, images[:1], images[:, :6, :6]):
        y, gradient = step(batch)
        kernel = layer.kernel.value
        with tf.GradientTape() as tape:
            tape.watch(kernel)
            expected = by_definition(tf.constant(batch), kernel)
            loss = tf.reduce_mean(tf.square(expected))
        assert error(y.numpy(), expected.numpy()) < 5e-6
        assert error(gradient.numpy(), tape.gradient(loss, kernel).numpy()) < 5e-6


def trained_in_graph(layer, x):
    with tf.GradientTape() as tape:
        y = layer(x, training=True)
        loss = tf.reduce_mean(tf.square(y))
    return y, tape.gradient(loss, layer.kernel.value)


def test_the_layer_is_saved_and_read(images, tmp_path):
    inputs = keras.Input(images.shape[1:])
    model = keras.Model(inputs, Conv2D(4, 3, padding="same")(inputs))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")

    assert type(again.layers[1]) is cry_hub.fast_training.convolution.Conv2D
    np.testing.assert_array_equal(again(images), model(images))
