"""Max plus average pooling against NumPy."""

from __future__ import annotations

import numpy as np

from cry_tf.layers import MaxAveragePooling


def test_it_passes_the_shared_check(run_layer_check):
    run_layer_check(MaxAveragePooling)


def test_it_is_the_maximum_plus_the_mean_of_the_real_steps(rng):
    values = rng.normal(size=(3, 6, 4)).astype("float32")
    mask = np.array([[1, 1, 0, 0, 0, 0], [1] * 6, [0, 1, 0, 1, 1, 0]], bool)
    expected = [
        row[real].max(axis=0) + row[real].mean(axis=0)
        for row, real in zip(values, mask, strict=True)
    ]
    result = MaxAveragePooling()(values, mask=mask)
    np.testing.assert_allclose(result, np.stack(expected), atol=1e-6)


def test_a_row_without_a_real_step_gives_zeros():
    values = np.ones((1, 3, 2), "float32")
    result = MaxAveragePooling()(values, mask=np.zeros((1, 3), bool))
    np.testing.assert_array_equal(result, np.zeros((1, 2)))
