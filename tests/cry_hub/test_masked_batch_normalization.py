import keras
import numpy as np
import pytest
import tensorflow as tf

from cry_hub.masked_batch_normalization import MaskedBatchNormalization


@pytest.fixture
def clips(rng):
    """Frames of three clips, and which of them are real."""
    x = rng.normal(3.0, 2.0, (3, 6, 4, 5)).astype("float32")
    lengths = np.array([6, 2, 4])
    mask = np.arange(6)[None, :, None] < lengths[:, None, None]
    return x, mask  # (clips, frames, bands, channels), (clips, frames, 1)


def layer(**arguments) -> MaskedBatchNormalization:
    made = MaskedBatchNormalization(momentum=0.9, epsilon=1e-3, **arguments)
    made.build((None, None, 4, 5))
    made.gamma.assign([0.5, 1.0, 1.5, 2.0, -1.0])
    made.beta.assign([0.0, 1.0, -1.0, 2.0, 0.5])
    return made


def gradients(normalize: MaskedBatchNormalization, call, x, mask, upstream):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = call(normalize, x, training=True, mask=tf.constant(mask))
        loss = tf.reduce_sum(tf.cast(y, "float32") * upstream)
    weights = [normalize.gamma.value, normalize.beta.value]
    return [np.asarray(y), *map(np.asarray, tape.gradient(loss, [x, *weights]))]


def test_only_real_frames_make_the_statistics(clips):
    x, mask = clips
    normalize = layer()
    y = normalize(x, training=True, mask=mask)
    real = x[mask[..., 0]].astype("float64")  # (real frames, bands, channels)
    mean, variance = real.mean((0, 1)), real.var((0, 1))
    expected = (x - mean) / np.sqrt(variance + 1e-3)
    expected = expected * normalize.gamma.numpy() + normalize.beta.numpy()
    # float32 sums of at most 48 values
    np.testing.assert_allclose(y, expected, atol=1e-5)
    np.testing.assert_allclose(normalize.moving_mean, 0.1 * mean, rtol=1e-5)
    moved = 0.9 + 0.1 * variance
    np.testing.assert_allclose(normalize.moving_variance, moved, rtol=1e-5)


def test_the_gradient_is_that_of_keras(clips, rng):
    x, mask = clips
    upstream = rng.normal(size=x.shape).astype("float32")
    ours = gradients(layer(), MaskedBatchNormalization.__call__, x, mask, upstream)
    keras_call = keras.layers.BatchNormalization.call
    theirs = gradients(layer(), keras_call, x, mask, upstream)
    for one, other in zip(ours, theirs, strict=True):
        # the same sums in float32, in another order
        np.testing.assert_allclose(one, other, atol=2e-5)


def test_a_batch_of_padding_alone_stays_finite(clips):
    x, mask = clips
    found = gradients(
        layer(), MaskedBatchNormalization.__call__, 0 * x, mask & False, 1.0
    )
    assert all(np.isfinite(values).all() for values in found)


def test_bfloat16_is_normalized_in_float32(clips):
    x, mask = clips
    normalize = layer(dtype="mixed_bfloat16")
    y = normalize(x, training=True, mask=mask)
    assert y.dtype == "bfloat16"
    expected = layer()(x, training=True, mask=mask)
    # bfloat16 has 8 bits: inputs and outputs are off by 1 in 256
    np.testing.assert_allclose(np.asarray(y, "float32"), expected, atol=0.05)


def test_a_frozen_layer_takes_its_moving_statistics(clips):
    x, mask = clips
    normalize = layer()
    normalize.trainable = False
    y = normalize(x, training=True, mask=mask)
    expected = x / np.sqrt(1 + 1e-3) * normalize.gamma.numpy() + normalize.beta.numpy()
    np.testing.assert_allclose(y, expected, atol=1e-5)
    np.testing.assert_array_equal(normalize.moving_mean, 0)
