"""Multi-head attention pooling against NumPy (InfantCryNet, equation 6)."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from cry_tf.layers import AttentionPooling

MASK = np.array([[1, 1, 0, 0, 0, 0], [1] * 6, [0, 1, 0, 1, 1, 0]], bool)
POSITIVE = {
    "softmax": np.exp,
    "sigmoid": lambda score: 1 / (1 + np.exp(-score)),
}


def numpy_attention(values, mask, kernel, bias, positive):
    """Equation 6 head by head, step by step."""
    features, heads = kernel.shape
    size = features // heads
    pooled = np.zeros((len(values), features))
    for row in range(len(values)):
        for head in range(heads):
            group = slice(head * size, (head + 1) * size)
            numerator, denominator = np.zeros(size), 0.0
            for step in np.flatnonzero(mask[row]):
                score = values[row, step] @ kernel[:, head] + bias[head]
                alpha = positive(np.float64(score))
                numerator += alpha * values[row, step, group]
                denominator += alpha
            pooled[row, group] = numerator / denominator
    return pooled


@pytest.fixture
def values(rng):
    return rng.normal(size=(3, 6, 12)).astype("float32")


@pytest.mark.parametrize(
    "arguments",
    [{}, {"heads": 1}, {"heads": 8}, {"heads": 2, "normalization": "sigmoid"}],
    ids=str,
)
def test_it_passes_the_shared_check(run_layer_check, arguments):
    run_layer_check(lambda **kwargs: AttentionPooling(**arguments, **kwargs))


@pytest.mark.parametrize("normalization", ["softmax", "sigmoid"])
def test_an_untrained_layer_is_the_average(values, normalization):
    layer = AttentionPooling(heads=3, normalization=normalization)
    expected = [row[real].mean(axis=0) for row, real in zip(values, MASK, strict=True)]
    np.testing.assert_allclose(layer(values, mask=MASK), np.stack(expected), atol=1e-6)


@pytest.mark.parametrize("normalization", ["softmax", "sigmoid"])
@pytest.mark.parametrize("heads", [1, 3, 12])
def test_each_head_weighs_its_own_features(values, heads, normalization, rng):
    layer = AttentionPooling(heads=heads, normalization=normalization)
    layer.build(values.shape)
    kernel = rng.normal(size=(12, heads)).astype("float32")
    bias = np.zeros(heads, "float32")
    layer.kernel.assign(kernel)
    if normalization == "sigmoid":
        bias = rng.normal(size=heads).astype("float32")
        layer.bias.assign(bias)
    expected = numpy_attention(values, MASK, kernel, bias, POSITIVE[normalization])
    np.testing.assert_allclose(layer(values, mask=MASK), expected, atol=1e-5)
    everything = np.ones_like(MASK)
    expected = numpy_attention(
        values, everything, kernel, bias, POSITIVE[normalization]
    )
    np.testing.assert_allclose(layer(values), expected, atol=1e-5)


@pytest.mark.parametrize("normalization", ["softmax", "sigmoid"])
@pytest.mark.parametrize("score", [-1e4, 1e4])
def test_extreme_scores_stay_finite(normalization, score):
    values = np.ones((1, 4, 2), "float32")
    layer = AttentionPooling(heads=1, normalization=normalization)
    layer.build(values.shape)
    layer.kernel.assign(np.full((2, 1), score / 2))
    mask = np.array([[True, True, False, False]])
    np.testing.assert_allclose(layer(values), np.ones((1, 2)), rtol=1e-6)
    np.testing.assert_allclose(layer(values, mask=mask), np.ones((1, 2)), rtol=1e-6)


def test_a_masked_step_with_the_highest_score_takes_no_part():
    values = np.array([[[1.0], [2.0], [1e6]]], "float32")
    layer = AttentionPooling(heads=1)
    layer.build(values.shape)
    layer.kernel.assign([[1.0]])
    result = layer(values, mask=np.array([[True, True, False]]))
    expected = (np.e + 2 * np.e**2) / (np.e + np.e**2)
    np.testing.assert_allclose(result, [[expected]], rtol=1e-6)


def test_a_clip_of_one_step_gives_that_step_without_a_warning(values):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = AttentionPooling()(values[:, :1])
    np.testing.assert_allclose(result, values[:, 0], rtol=1e-6)


def test_a_row_without_a_real_step_gives_zeros(values):
    result = AttentionPooling()(values, mask=np.zeros_like(MASK))
    np.testing.assert_array_equal(result, np.zeros((3, 12)))


def test_heads_must_divide_the_features(values):
    with pytest.raises(ValueError, match="heads=5, features=12"):
        AttentionPooling(heads=5)(values)


def test_heads_must_be_positive():
    with pytest.raises(ValueError, match="heads=0"):
        AttentionPooling(heads=0)


def test_an_unknown_normalization_is_refused():
    with pytest.raises(ValueError, match="softmax, sigmoid.*'none'"):
        AttentionPooling(normalization="none")
