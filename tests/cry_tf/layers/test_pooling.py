"""Pooling layers by name."""

from __future__ import annotations

import keras
import pytest

from cry_tf import layers
from cry_tf.layers import pooling


def test_the_names_are_those_of_the_paper():
    assert pooling.POOLING_NAMES == (
        "max",
        "average",
        "max_average",
        "statistic",
        "attention",
    )


@pytest.mark.parametrize("name", pooling.POOLING_NAMES)
def test_a_name_gives_a_new_layer_named_pooling(name):
    layer = pooling.get(name)
    assert layer.name == "pooling"
    assert layer is not pooling.get(name)
    assert type(layer).__name__.lower() == f"{name.replace('_', '')}pooling"


def test_a_layer_is_given_back():
    layer = layers.AttentionPooling(heads=2)
    assert pooling.get(layer) is layer
    theirs = keras.layers.GlobalAveragePooling1D()
    assert pooling.get(theirs) is theirs


def test_an_unknown_name_lists_the_names():
    with pytest.raises(ValueError, match="max, average, .*attention.*'mean'"):
        pooling.get("mean")


def test_something_else_is_refused():
    with pytest.raises(ValueError, match="pooling must be one of"):
        pooling.get(3)


def test_a_layer_that_cannot_see_the_padding_is_refused():
    with pytest.raises(ValueError, match="must take a `mask`"):
        pooling.get(keras.layers.GlobalMaxPooling1D())
