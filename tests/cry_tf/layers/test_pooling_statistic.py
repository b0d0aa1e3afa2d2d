"""Statistic pooling against NumPy (InfantCryNet, equations 4 and 5)."""

from __future__ import annotations

import numpy as np
import pytest

from cry_tf.layers import StatisticPooling

MASK = np.array([[1, 1, 0, 0, 0, 0], [1] * 6, [0, 1, 0, 1, 1, 0]], bool)


def numpy_statistics(values, mask):
    """Returns means and biased variances over the real steps of each row."""
    rows = [row[real] for row, real in zip(values, mask, strict=True)]
    means = np.stack([row.sum(axis=0) / len(row) for row in rows])
    squares = [(row - mean) ** 2 for row, mean in zip(rows, means, strict=True)]
    return means, np.stack([square.sum(axis=0) / len(square) for square in squares])


@pytest.fixture
def values(rng):
    return rng.normal(size=(3, 6, 4)).astype("float32")


@pytest.mark.parametrize(
    ("arguments", "units"),
    [({}, 8), ({"mode": "dense"}, 8), ({"mode": "dense", "units": 3}, 3)],
)
def test_it_passes_the_shared_check(run_layer_check, arguments, units):
    run_layer_check(lambda **kwargs: StatisticPooling(**arguments, **kwargs), units)


@pytest.mark.parametrize("mode", ["per_feature", "dense"])
def test_an_untrained_layer_is_the_mean(values, mode):
    mean, _ = numpy_statistics(values, MASK)
    result = StatisticPooling(mode=mode)(values, mask=MASK)
    np.testing.assert_allclose(result, mean, atol=1e-6)


def test_per_feature_maps_each_mean_and_variance_to_one_value(values, rng):
    layer = StatisticPooling()
    layer.build(values.shape)
    a, b, c = (rng.normal(size=4).astype("float32") for _ in range(3))
    layer.mean_kernel.assign(a)
    layer.variance_kernel.assign(b)
    layer.bias.assign(c)
    mean, variance = numpy_statistics(values, MASK)
    expected = a * mean + b * variance + c
    np.testing.assert_allclose(layer(values, mask=MASK), expected, atol=1e-5)
    assert layer.count_params() == 3 * 4


def test_dense_maps_all_statistics_to_units(values, rng):
    layer = StatisticPooling(mode="dense", units=5)
    layer.build(values.shape)
    kernel = rng.normal(size=(8, 5)).astype("float32")
    bias = rng.normal(size=5).astype("float32")
    layer.mean_kernel.assign(kernel[:4])
    layer.variance_kernel.assign(kernel[4:])
    layer.bias.assign(bias)
    expected = np.concatenate(numpy_statistics(values, MASK), axis=1) @ kernel + bias
    np.testing.assert_allclose(layer(values, mask=MASK), expected, atol=1e-5)
    assert layer.count_params() == 8 * 5 + 5


def test_the_variance_of_a_large_offset_stays_exact(rng):
    values = 1000 + rng.normal(size=(1, 50, 4)).astype("float32")
    layer = StatisticPooling()
    layer.build(values.shape)
    layer.mean_kernel.assign(np.zeros(4))
    layer.variance_kernel.assign(np.ones(4))
    # float32 keeps 1000 to 6e-5; E[x^2] - E[x]^2 would be off by 0.1.
    np.testing.assert_allclose(layer(values), values.var(axis=1), rtol=1e-3)


def test_one_step_has_no_variance(rng):
    values = rng.normal(size=(2, 1, 4)).astype("float32")
    layer = StatisticPooling()
    layer.build(values.shape)
    layer.variance_kernel.assign(np.full(4, 100.0))
    np.testing.assert_allclose(layer(values), values[:, 0])


def test_a_row_without_a_real_step_gives_the_bias():
    layer = StatisticPooling()
    layer.build((1, 3, 2))
    layer.bias.assign([4.0, 5.0])
    result = layer(np.ones((1, 3, 2), "float32"), mask=np.zeros((1, 3), bool))
    np.testing.assert_array_equal(result, [[4.0, 5.0]])


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="per_feature, dense.*mode='concat'"):
        StatisticPooling(mode="concat")


@pytest.mark.parametrize(
    "arguments", [{"units": 4}, {"mode": "dense", "units": 0}], ids=str
)
def test_units_without_meaning_are_refused(arguments):
    with pytest.raises(ValueError, match="units must be"):
        StatisticPooling(**arguments)
