import keras
import numpy as np
import pytest
import tensorflow as tf

import cry_hub
from cry_hub.fast_training.normalization import (
    FrozenBatchNormalization,
    MaskedBatchNormalization,
    normalize,
)
from cry_hub.fast_training.prepare import prepare_training
from cry_tf import CryClassifier

SHAPE = (4, 30, 6, 5)
EPSILON = 1e-3


@pytest.fixture
def images(rng):
    scale, offset = rng.uniform(0.5, 20, 5), rng.normal(0, 50, 5)
    return (offset + scale * rng.normal(size=SHAPE)).astype("float32")


@pytest.fixture(params=("all", "some", "of whole images", "none given"))
def mask(request):
    frames = np.ones((4, 30, 1), bool)
    if request.param == "some":
        frames[1, 20:], frames[3, 4:] = False, False
    if request.param == "of whole images":
        frames = np.array([True, True, False, True])[:, None, None]
    return None if request.param == "none given" else frames


def reference(x, mask, gamma, beta, dy):
    """Returns outputs, moments and gradients in float64."""
    x, dy = x.astype(float), dy.astype(float)
    real = np.ones((1, 1, 1, 1)) if mask is None else mask[..., None].astype(float)
    real = np.broadcast_to(real, (*x.shape[:3], 1))
    axes, count = (0, 1, 2), real.sum()
    mean = (x * real).sum(axes) / count
    variance = (np.square(x - mean) * real).sum(axes) / count
    each = 1 / np.sqrt(variance + EPSILON)
    normal = (x - mean) * each
    dgamma, dbeta = (dy * normal).sum(axes), dy.sum(axes)
    dx = gamma * each * (dy - real * (dbeta + normal * dgamma) / count)
    return normal * gamma + beta, mean, variance, dx, dgamma, dbeta


@pytest.mark.parametrize("is_eager", [True, False])
def test_it_is_the_formula(images, mask, rng, is_eager):
    gamma, beta = rng.uniform(0.5, 2, 5), rng.normal(size=5)
    dy = rng.normal(size=SHAPE)  # padding passes a gradient back as well
    given = [tf.constant(each, "float32") for each in (images, gamma, beta)]

    def run():
        with tf.GradientTape() as tape:
            tape.watch(given)
            found = normalize(
                given[0], None if mask is None else tf.constant(mask), *given[1:], 1e-3
            )
        return *found, *tape.gradient(found[0], given, tf.constant(dy, "float32"))

    found = run() if is_eager else tf.function(run)()
    for ours, true in zip(found, reference(images, mask, gamma, beta, dy), strict=True):
        np.testing.assert_allclose(ours, true, rtol=1e-3, atol=1e-4 * abs(true).max())


def test_statistics_of_many_places_are_exact(rng):
    """A sum of a million squares in one float32 loses digits; padding none at all."""
    x = rng.normal(3, 2, (4, 2000, 64, 2)).astype("float32")
    mask = np.ones((4, 2000, 1), bool)
    mask[2, 700:] = False
    _, mean, variance = normalize(x, tf.constant(mask), tf.ones(2), tf.zeros(2), 1e-3)
    _, true_mean, true_variance, *_ = reference(x, mask, 1, 0, np.zeros_like(x))
    np.testing.assert_allclose(mean, true_mean, rtol=1e-6)
    np.testing.assert_allclose(variance, true_variance, rtol=1e-6)


def steps(layer, images, mask):
    """Returns what two steps in training give, and leave behind."""
    x = keras.ops.cast(images, layer.compute_dtype)
    found = []
    for _ in range(2):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True, mask=mask)
            loss = tf.reduce_sum(tf.cast(y, "float32") ** 3)
        gradients = tape.gradient(loss, [x, *layer.trainable_variables])
        found += [y, *gradients, *layer.variables]
    return [np.asarray(keras.ops.cast(each, "float32")) for each in found]


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"momentum": 0.5, "epsilon": 0.1},
        {"scale": False},
        {"center": False},
        {"trainable": False},
        {"dtype": "mixed_bfloat16"},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [MaskedBatchNormalization, FrozenBatchNormalization])
def test_the_layers_do_what_keras_does(kind, arguments, mask, rng):
    images = rng.normal(1, 2, SHAPE).astype("float32")
    fused, plain = kind(**arguments), kind(**arguments)
    for layer in (fused, plain):
        layer.build(SHAPE)
    weights = [rng.uniform(0.5, 2, each.shape) for each in plain.weights]
    fused.set_weights(weights)
    plain.set_weights(weights)
    prepare_training(fused, jit_compile=False)
    mask = None if mask is None else tf.constant(mask)
    tolerance = 0.03 if "dtype" in arguments else 1e-4
    for ours, theirs in zip(
        steps(fused, images, mask), steps(plain, images, mask), strict=True
    ):
        far = abs(theirs).max()
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * far)
    np.testing.assert_allclose(fused(images), plain(images), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "shape"),
    [
        ({"axis": 1}, SHAPE),
        ({"dtype": "float64"}, SHAPE),
        ({"renorm": True}, SHAPE),
        ({}, SHAPE[1:]),
    ],
    ids=str,
)
def test_what_the_kernel_does_not_know_is_left_to_keras(arguments, shape, rng):
    layers = [kind(**arguments) for kind in (MaskedBatchNormalization,) * 2]
    prepare_training(layers[0], jit_compile=False)
    images = rng.normal(size=shape).astype(layers[0].compute_dtype)
    ours, theirs = (layer(images, training=True) for layer in layers)
    np.testing.assert_array_equal(ours, theirs)


def kernels(model, jit_compile):
    """Returns how many fused kernels a training step of a model runs."""
    model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=jit_compile)

    @tf.function
    def forward(waveforms):
        return model(waveforms, training=True)

    graph = forward.get_concrete_function(tf.TensorSpec((2, None))).graph
    graphs = [graph.as_graph_def().node]
    graphs += [each.node_def for each in graph.as_graph_def().library.function]
    return sum(op.op == "FusedBatchNormV3" for nodes in graphs for op in nodes)


@pytest.mark.skipif(
    bool(tf.config.list_physical_devices("GPU")),
    reason="the kernels are for processors",
)
@pytest.mark.parametrize("preset", ["cnn10_audioset", "ds_cnn_s"])
def test_a_model_takes_them_without_xla_alone(few_filters, preset):
    model = CryClassifier(cry_hub.load(preset, weights=None), ["a", "b"])
    assert kernels(model, jit_compile=False) >= 8
    assert kernels(model, jit_compile=True) == 0
    assert kernels(model, jit_compile=False) >= 8


def test_xla_still_trains_what_was_prepared_for_it(rng):
    inputs = keras.Input(SHAPE[1:])
    outputs = keras.layers.GlobalAveragePooling2D()(MaskedBatchNormalization()(inputs))
    model = keras.Model(inputs, outputs)
    for jit_compile in (False, True):
        prepare_training(model, jit_compile=jit_compile)
        model.compile("sgd", "mse", jit_compile=jit_compile)
        model.fit(rng.normal(size=SHAPE), np.zeros((4, 5)), verbose=0)
