import keras
import numpy as np
import pytest

from cry_tf.training.optimizers import Adam, LayerwiseRates


class SGD(LayerwiseRates, keras.optimizers.SGD):
    """The simplest optimizer that takes shares of the rate."""


def moved(optimizer, steps=1):
    """Returns how far two weights move under the same gradient."""
    variables = [keras.Variable(1.0), keras.Variable(1.0)]
    optimizer.build(variables)
    for _ in range(steps):
        optimizer.apply([keras.ops.convert_to_tensor(2.0)] * 2)
    return [1 - float(variable.numpy()) for variable in variables]


def test_a_tenth_of_the_rate_moves_a_weight_a_tenth_as_far():
    full, tenth = moved(SGD(0.01, factors=[1.0, 0.1]))
    assert full == pytest.approx(0.02, rel=1e-5)
    assert tenth == pytest.approx(full / 10, rel=1e-4)


def test_adam_divides_by_the_gradient_and_the_share_still_counts():
    full, tenth = moved(Adam(0.01, factors=[1.0, 0.1]), steps=3)
    assert tenth == pytest.approx(full / 10, rel=1e-3)


def test_without_shares_it_is_the_optimizer_of_keras():
    ours, theirs = (
        moved(kind(0.01), steps=2) for kind in (Adam, keras.optimizers.Adam)
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)


def test_gradients_of_several_batches_make_one_step():
    alone = moved(SGD(0.01, factors=[1.0, 0.1]))
    waiting = moved(SGD(0.01, factors=[1.0, 0.1], gradient_accumulation_steps=3))
    assert waiting == [0, 0]
    third = moved(SGD(0.01, factors=[1.0, 0.1], gradient_accumulation_steps=3), 3)
    np.testing.assert_allclose(third, alone, rtol=1e-5)
