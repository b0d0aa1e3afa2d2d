from __future__ import annotations

import tomllib
from pathlib import Path

import keras
import numpy as np
import pytest

from cry_hub import keras_internals

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
HINT = (
    f"Keras {keras.__version__} has changed what cry_hub/keras_internals.py uses; "
    f"it was checked with {', '.join(keras_internals.CHECKED_WITH)}. Mend that module, "
    "or let pyproject.toml allow only releases before this one."
)


def test_no_minor_release_is_allowed_above_the_last_that_was_checked():
    major, minor, _ = keras_internals.CHECKED_WITH[-1].split(".")
    extras = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]
    train = extras["optional-dependencies"]["train"]
    allowed = next(each for each in train if each.startswith("keras"))
    assert allowed.endswith(f",<{major}.{int(minor) + 1}"), (
        "When the tests pass with a new Keras, add it to CHECKED_WITH in "
        "cry_hub/keras_internals.py and raise the cap in pyproject.toml."
    )


@pytest.fixture
def model():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    return model


def specs():
    return keras.KerasTensor((4, 3)), keras.KerasTensor((4, 2))


def attempt(function, *arguments):
    try:
        return function(*arguments)
    except (AttributeError, TypeError) as error:
        pytest.fail(f"{HINT} {error}")


@pytest.mark.parametrize("name", ["_symbolic_build", "_maybe_symbolic_build"])
def test_a_model_still_has_what_is_called_or_replaced(model, name):
    assert callable(getattr(model, name, None)), HINT


def test_a_model_is_built_without_data(model):
    attempt(keras_internals.build_for, model, specs())
    assert model.optimizer.built, HINT


def test_fit_takes_the_step_that_it_is_given(model):
    attempt(keras_internals.build_for, model, specs())
    taken = []

    def step(data):
        taken.append(data)
        return {"loss": keras.ops.zeros(())}

    keras_internals.replace_train_step(model, step)
    before = model.get_weights()
    model.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    assert taken, HINT
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other, err_msg=HINT)


def test_the_moments_of_adam_are_those_of_its_formula(model):
    attempt(keras_internals.build_for, model, specs())
    optimizer = model.optimizer
    kernel, bias = model.trainable_variables
    gradients = [np.full((3, 2), 2.0, np.float32), np.full((2,), 3.0, np.float32)]
    optimizer.apply(list(map(keras.ops.convert_to_tensor, gradients)))
    for place, variable in enumerate((kernel, bias)):
        assert attempt(keras_internals.variable_index, optimizer, variable) == place
        first, second = attempt(keras_internals.adam_moments, optimizer, variable)
        gradient = gradients[place]
        np.testing.assert_allclose(first, 0.1 * gradient, rtol=1e-5, err_msg=HINT)
        np.testing.assert_allclose(second, 0.001 * gradient**2, rtol=1e-4, err_msg=HINT)
