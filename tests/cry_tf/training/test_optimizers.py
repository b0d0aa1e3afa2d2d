import keras
import numpy as np
import pytest
import tensorflow as tf

from cry_tf.training.optimizers import Adam

SHAPES = ((3, 4), (5,), ())


def trained(optimizer, dtype="float32", jit_compile=False, steps=20):
    """Returns the variables, moments and count after steps of drawn gradients."""
    rng = np.random.default_rng(0)
    variables = [
        keras.Variable(rng.normal(size=shape), dtype=dtype) for shape in SHAPES
    ]
    optimizer.build(variables)

    @tf.function(jit_compile=jit_compile)
    def step(gradients):
        optimizer.apply(gradients)

    for size in 10.0 ** rng.uniform(-6, 2, steps):
        gradients = [rng.normal(0, size, shape) for shape in SHAPES]
        step([tf.constant(gradient, dtype) for gradient in gradients])
    return [
        np.asarray(keras.ops.cast(each, "float32"))
        for each in (*variables, *optimizer.variables)
    ]


def moved(optimizer, steps=1):
    """Returns how far two weights move under the same gradient."""
    variables = [keras.Variable(1.0), keras.Variable(1.0)]
    optimizer.build(variables)
    for _ in range(steps):
        optimizer.apply([keras.ops.convert_to_tensor(2.0)] * 2)
    return [1 - float(variable.numpy()) for variable in variables]


def test_a_tenth_of_the_rate_moves_a_weight_a_tenth_as_far():
    full, tenth = moved(Adam(0.01, factors=[1.0, 0.1]), steps=3)
    assert full == pytest.approx(0.03, rel=1e-3)
    assert tenth == pytest.approx(full / 10, rel=1e-3)


def test_gradients_of_several_batches_make_one_step_at_each_rate():
    alone = moved(Adam(0.01, factors=[1.0, 0.1]))
    waiting = moved(Adam(0.01, factors=[1.0, 0.1], gradient_accumulation_steps=3))
    assert waiting == [0, 0]
    third = moved(Adam(0.01, factors=[1.0, 0.1], gradient_accumulation_steps=3), 3)
    np.testing.assert_allclose(third, alone, rtol=1e-4)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3},
        {"clipnorm": 1.0, "weight_decay": 0.01},
        {"gradient_accumulation_steps": 2},
        {"amsgrad": True},
    ],
    ids=str,
)
def test_it_takes_the_steps_of_keras(arguments):
    ours = trained(Adam(0.01, **arguments))
    theirs = trained(keras.optimizers.Adam(0.01, **arguments))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_xla_compiles_it():
    alone = trained(Adam(0.01))
    for one, other in zip(trained(Adam(0.01), jit_compile=True), alone, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_a_schedule_sets_the_rate():
    schedule = keras.optimizers.schedules.CosineDecay(0.01, 20)
    for one, other in zip(
        trained(Adam(schedule)),
        trained(keras.optimizers.Adam(schedule)),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_half_the_digits_are_left_to_keras():
    ours = trained(Adam(0.01), dtype="bfloat16")
    theirs = trained(keras.optimizers.Adam(0.01), dtype="bfloat16")
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


def test_its_step_is_one_operation_a_variable():
    optimizer = Adam(0.01)
    variables = [keras.Variable(np.ones(shape, "float32")) for shape in SHAPES]
    optimizer.build(variables)

    @tf.function
    def run(gradients):
        for gradient, variable in zip(gradients, variables, strict=True):
            optimizer.update_step(gradient, variable.value, 0.01)

    given = [tf.TensorSpec(shape) for shape in SHAPES]
    kinds = [op.type for op in run.get_concrete_function(given).graph.get_operations()]
    assert kinds.count("ResourceApplyAdam") == len(SHAPES)
    assert "Sqrt" not in kinds
