"""Max pooling against NumPy."""

from __future__ import annotations

import numpy as np

from cry_tf.layers import MaxPooling


def test_it_passes_the_shared_check(run_layer_check):
    run_layer_check(MaxPooling)


def test_it_is_the_maximum_of_the_real_steps(rng):
    values = rng.normal(size=(3, 6, 4)).astype("float32") - 5  # all negative
    mask = np.array([[1, 1, 0, 0, 0, 0], [1] * 6, [0, 1, 0, 1, 1, 0]], bool)
    expected = [row[real].max(axis=0) for row, real in zip(values, mask, strict=True)]
    np.testing.assert_array_equal(MaxPooling()(values, mask=mask), np.stack(expected))


def test_padding_takes_no_share_of_a_tied_gradient():
    import tensorflow as tf

    values = tf.Variable(np.full((1, 4, 1), -2.0, "float32"))
    with tf.GradientTape() as tape:
        result = MaxPooling()(values, mask=np.array([[True, True, False, False]]))
    gradient = tape.gradient(result, values).numpy()
    np.testing.assert_allclose(gradient[0, :, 0], [0.5, 0.5, 0, 0])


def test_a_row_without_a_real_step_gives_zeros():
    values = np.ones((1, 3, 2), "float32")
    result = MaxPooling()(values, mask=np.zeros((1, 3), bool))
    np.testing.assert_array_equal(result, np.zeros((1, 2)))
