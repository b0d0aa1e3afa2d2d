"""The check that every pooling layer passes, as a fixture."""

from __future__ import annotations

import tempfile
from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

FEATURES = 8
LONG_TIME = 3000


def check_config(make_layer):
    layer = make_layer()
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    config = keras.saving.serialize_keras_object(layer)
    assert config["registered_name"] == f"cry_tf>{type(layer).__name__}"
    assert type(keras.saving.deserialize_keras_object(config)) is type(layer)


def check_shapes(make_layer, units, rng):
    for time in (None, 5):
        symbolic = make_layer()(keras.Input((time, FEATURES)))
        assert symbolic.shape == (None, units)
    layer = make_layer()
    values = rng.normal(size=(3, 5, FEATURES)).astype("float32")
    assert layer(values).shape == (3, units)
    assert layer(values[:, :1]).shape == (3, units)
    assert layer.supports_masking
    with pytest.raises(ValueError, match=r"\(batch, time, features\)"):
        make_layer()(np.zeros((3, FEATURES), "float32"))


def randomize(layer, rng):
    """Moves the weights off their careful start, where errors can hide."""
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))


def check_mask(make_layer, rng):
    layer = make_layer()
    values = rng.normal(size=(2, 5, FEATURES)).astype("float32")
    layer(values)
    randomize(layer, rng)
    alone = layer(values).numpy()
    padded = np.concatenate([values, np.full((2, 3, FEATURES), np.nan)], axis=1)
    padded = padded.astype("float32")
    mask = np.arange(8)[None] < np.array([[5], [5]])
    # Sums over another length may be added in another order.
    np.testing.assert_allclose(layer(padded, mask=mask), alone, rtol=1e-5, atol=1e-6)
    full = np.ones((2, 5), bool)
    np.testing.assert_allclose(layer(values, mask=full), alone, rtol=1e-5, atol=1e-6)
    nothing_real = layer(values, mask=np.zeros((2, 5), bool)).numpy()
    assert np.isfinite(nothing_real).all()


def check_implicit_mask(make_layer, rng):
    values = rng.normal(size=(2, 5, FEATURES)).astype("float32")
    values[:, 3:] = 0
    inputs = keras.Input((None, FEATURES))
    layer = make_layer()
    outputs = layer(keras.layers.Masking()(inputs))
    assert getattr(outputs, "_keras_mask", None) is None
    randomize(layer, rng)
    model = keras.Model(inputs, outputs)
    mask = np.arange(5)[None] < np.array([[3], [3]])
    np.testing.assert_allclose(model(values), layer(values, mask=mask), rtol=1e-6)


def check_gradients(make_layer, rng):
    """Gradients are finite, also where they could divide by zero, 0 at padding."""
    layer = make_layer()
    random = rng.normal(size=(1, 6, FEATURES))
    batch = np.concatenate(
        [random, np.full((1, 6, FEATURES), 3.0), np.zeros((1, 6, FEATURES)), random]
    ).astype("float32")
    mask = np.arange(6)[None] < np.array([[4], [6], [1], [0]])
    batch[0, 4:] = np.nan
    inputs = tf.Variable(batch)
    for mask_or_none in (mask, None):
        if mask_or_none is None:
            inputs.assign(np.nan_to_num(batch))
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(layer(inputs, mask=mask_or_none) - 1.0))
        gradients = tape.gradient(
            loss, [inputs, *(weight.value for weight in layer.trainable_weights)]
        )
        assert all(np.isfinite(gradient.numpy()).all() for gradient in gradients)
        if mask_or_none is not None:
            assert np.all(gradients[0].numpy()[~mask] == 0)


def check_fit_and_save(make_layer, units, rng, folder):
    inputs = keras.Input((None, FEATURES))
    mask = keras.Input((None,), dtype="bool")
    layer = make_layer()
    outputs = keras.layers.Dense(2)(layer(inputs, mask=mask))
    model = keras.Model([inputs, mask], outputs)
    before = [weight.numpy().copy() for weight in layer.trainable_weights]
    model.compile(keras.optimizers.Adam(0.1), loss="mse")
    values = rng.normal(size=(8, 5, FEATURES)).astype("float32")
    real = np.arange(5)[None] < rng.integers(1, 6, size=(8, 1))
    x, y = [values, real], rng.normal(size=(8, 2))
    history = model.fit(x, y, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    for weight, old in zip(layer.trainable_weights, before, strict=True):
        assert not np.array_equal(weight.numpy(), old), f"{weight.name} did not learn"
    path = folder / "layer.keras"
    model.save(path)
    reloaded = keras.saving.load_model(path)
    np.testing.assert_array_equal(
        reloaded.predict(x, verbose=0), model.predict(x, verbose=0)
    )


def check_16_bits(make_layer, rng):
    """Sums of thousands of steps in bfloat16 would lose the small ones."""
    values = (1 + rng.normal(size=(2, LONG_TIME, FEATURES))).astype("float32")
    values = keras.ops.convert_to_numpy(keras.ops.cast(values, "bfloat16"))
    values = values.astype("float32")
    layer = make_layer()
    layer.build(values.shape)
    randomize(layer, rng)
    reference, weights = layer(values).numpy(), layer.get_weights()
    for policy in ("mixed_bfloat16", "mixed_float16"):
        layer = make_layer(dtype=policy)
        layer.build(values.shape)
        layer.set_weights(weights)
        result = layer(values)
        assert keras.backend.standardize_dtype(result.dtype) == policy[6:]
        # One rounding to 8 bits of significand at the end, 2**-8.
        np.testing.assert_allclose(
            np.asarray(result, "float32"), reference, rtol=2**-8, atol=2**-8
        )


def check_tflite(make_layer, rng):
    """Builtin operators only, dynamic time, the same numbers, float and quantized."""
    inputs = keras.Input((None, FEATURES))
    mask = keras.Input((None,), dtype="bool")
    layer = make_layer()
    model = keras.Model([inputs, mask], layer(inputs, mask=mask))
    randomize(layer, rng)
    for optimizations in ([], [tf.lite.Optimize.DEFAULT]):
        with tempfile.TemporaryDirectory() as folder:
            model.export(folder, verbose=False)
            converter = tf.lite.TFLiteConverter.from_saved_model(folder)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
            converter.optimizations = optimizations
            interpreter = Interpreter(model_content=converter.convert())
        for time, real_steps in ((1, 1), (7, 4), (7, 0)):
            feed = {
                3: rng.normal(size=(1, time, FEATURES)).astype("float32"),
                2: np.arange(time)[None] < real_steps,
            }
            entries = interpreter.get_input_details()
            for entry in entries:
                value = feed[len(entry["shape"])]
                interpreter.resize_tensor_input(entry["index"], value.shape)
            interpreter.allocate_tensors()
            for entry in entries:
                interpreter.set_tensor(entry["index"], feed[len(entry["shape"])])
            interpreter.invoke()
            output = interpreter.get_output_details()[0]["index"]
            # Weights of fewer than 1024 elements stay float in either recipe.
            np.testing.assert_allclose(
                interpreter.get_tensor(output), model([feed[3], feed[2]]), atol=1e-5
            )


@pytest.fixture
def run_layer_check(tmp_path, rng) -> Callable:
    """Returns `check(make_layer, units)`; `make_layer` takes layer arguments."""

    def check(make_layer: Callable[..., keras.layers.Layer], units: int = FEATURES):
        check_config(make_layer)
        check_shapes(make_layer, units, rng)
        check_mask(make_layer, rng)
        check_implicit_mask(make_layer, rng)
        check_gradients(make_layer, rng)
        check_fit_and_save(make_layer, units, rng, tmp_path)
        check_16_bits(make_layer, rng)
        check_tflite(make_layer, rng)

    return check
