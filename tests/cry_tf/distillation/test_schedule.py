import math

import keras
import pytest

import cry_tf  # noqa: F401, registers the schedules
from cry_tf.distillation.schedule import Constant, Cosine, Linear


def test_a_course_goes_from_its_start_to_its_end_and_stays():
    assert [Linear(8, 2, 4)(epoch) for epoch in range(6)] == [8, 6, 4, 2, 2, 2]
    found = [Cosine(1, 0, 5)(epoch) for epoch in range(7)]
    expected = [(1 + math.cos(math.pi * n / 4)) / 2 for n in range(5)] + [0, 0]
    assert found == pytest.approx(expected, abs=1e-12)
    assert [Constant(3)(epoch) for epoch in range(3)] == [3, 3, 3]
    assert Linear(8, 2, 1)(0) == 2


@pytest.mark.parametrize("course", [Constant(2), Linear(1, 2, 3), Cosine(1, 2, 3)])
def test_a_course_is_saved_with_keras(course):
    config = keras.saving.serialize_keras_object(course)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(course)
    assert [again(n) for n in range(5)] == [course(n) for n in range(5)]


@pytest.mark.parametrize("epochs", [0, -1, 1.5, True])
def test_epochs_are_a_whole_number(epochs):
    with pytest.raises(
        ValueError, match="whole number of at least 1. Received: epochs="
    ):
        Linear(1, 2, epochs)


def test_a_course_is_of_numbers():
    with pytest.raises(ValueError, match="start must be a number. Received: start='a'"):
        Cosine("a", 2, 3)
