from __future__ import annotations

import keras
import numpy as np
import pytest

from cry_export.compress.compression import Compression
from cry_export.compress.kernels import compressed_layers, kernel_facts
from cry_export.compress.layer_set import twin_names


def dense_model(*layers: keras.layers.Layer) -> keras.Model:
    inputs = x = keras.Input((40,))
    for layer in layers:
        x = layer(x)
    return keras.Model(inputs, x, name="given")


def test_a_foreign_layer_is_refused_by_name():
    model = dense_model(keras.layers.LayerNormalization(name="odd"))
    with pytest.raises(ValueError, match="'odd' of type LayerNormalization"):
        twin_names(model)


def test_a_lambda_is_refused_by_name():
    model = dense_model(keras.layers.Lambda(lambda x: 2 * x, name="trick"))
    with pytest.raises(ValueError, match="'trick' of type Lambda"):
        twin_names(model)


def test_a_model_without_a_graph_is_refused():
    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(ValueError, match="functional"):
        twin_names(Own(name="own"))


def test_sixteen_bit_layers_are_refused():
    model = dense_model(keras.layers.Dense(8, dtype="mixed_bfloat16", name="half"))
    with pytest.raises(ValueError, match="'half' that computes in bfloat16"):
        twin_names(model)


def test_layers_of_one_name_in_two_models_are_told_apart():
    inner = dense_model(keras.layers.Dense(40, name="dense"))
    model = dense_model(inner, keras.layers.Dense(3, name="dense"))
    assert list(twin_names(model)) == ["dense", "dense_1"]
    assert twin_names(model)["dense_1"].units == 3


def test_small_kernels_are_not_compressed():
    large, small = keras.layers.Dense(64, name="large"), keras.layers.Dense(3)
    assert list(compressed_layers(dense_model(large, small))) == ["large"]
    with pytest.raises(ValueError, match="at least 1024 weights"):
        compressed_layers(dense_model(keras.layers.Dense(3)))


def test_the_record_counts_zeros_and_values():
    layer = keras.layers.Dense(50, name="large")
    model = dense_model(layer, keras.layers.Dense(2))  # 2000 + 50 + 100 + 2 weights
    kernel = np.tile(np.float32([0, 0, 0, 1, 2]), 400).reshape(40, 50)
    layer.set_weights([kernel, np.ones(50)])
    pruned = kernel_facts(model, Compression("prune", sparsity=0.6))
    assert pruned["sparsity"] == pruned["smallest_sparsity_of_a_layer"] == 0.6
    assert pruned["sparsity_of_all_weights"] == pytest.approx(1200 / 2152)
    assert pruned["share_of_all_weights"] == pytest.approx(2000 / 2152)
    clustered = kernel_facts(model, Compression("cluster", clusters=3))
    assert clustered["largest_number_of_values_in_a_layer"] == 3
