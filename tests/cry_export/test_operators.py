from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from cry_export.convert import to_tflite
from cry_export.errors import ConversionError
from cry_export.operators import (
    is_front_end,
    list_operators,
    read_graph,
    schema,
    write_graph,
)
from cry_export.quantization_recipe import get


def convert(layer: keras.layers.Layer) -> bytes:
    waveform = keras.Input((None,), name="waveform")
    return to_tflite(keras.Model(waveform, layer(waveform)), get("none"), 800)


class Odd(keras.layers.Layer):
    """Built from TensorFlow itself, as foreign layers are."""

    def __init__(self, function):
        super().__init__(name="odd")
        self.function = function

    def call(self, inputs):
        return self.function(inputs)

    def compute_output_spec(self, inputs):
        return keras.KerasTensor((inputs.shape[0], None), "float32")


def test_every_operator_of_the_small_model_is_builtin(tflite):
    operators = list_operators(tflite["none"])
    assert all(operator.is_builtin for operator in operators)
    assert {"TRANSPOSE", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"} <= {
        operator.name for operator in operators
    }


def test_constants_are_listed_with_type_and_shape(tflite):
    dense = next(
        operator
        for operator in list_operators(tflite["none"])
        if "embedding" in operator.path and operator.name == "FULLY_CONNECTED"
    )
    assert dense.constants[0].dtype == "float32"
    assert dense.constants[0].shape == (32, 1024)
    assert not dense.is_front_end


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("small_1/frontend_1/MatMul", True),
        ("small/yamnet_1/frontend/mul", True),
        ("a/conv_1/Relu;small_1/frontend_2/Log", True),
        ("small_1/frontend_norm/mul", False),
        ("small_1/my_frontend/mul", False),
        ("arith.constant3", False),
    ],
)
def test_the_front_end_is_told_by_its_place_in_the_path(path, expected):
    assert is_front_end(path) is expected


def test_a_graph_read_and_written_lists_the_same(tflite):
    again = write_graph(read_graph(tflite["none"]))
    assert list_operators(again) == list_operators(tflite["none"])


def test_constants_are_written_where_a_device_can_read_them(tflite):
    content = write_graph(read_graph(tflite["dynamic"]))
    start = np.frombuffer(content, np.uint8).__array_interface__["data"][0]
    model = schema.Model.GetRootAsModel(content, 0)
    constants = [
        model.Buffers(i).DataAsNumpy()
        for i in range(model.BuffersLength())
        if model.Buffers(i).DataLength()
    ]
    assert len(constants) > 10
    for constant in constants:
        place = constant.__array_interface__["data"][0] - start
        assert place % 16 == 0


def test_an_operator_that_needs_flex_is_refused_by_name():
    with pytest.raises(ConversionError, match="Received: Igamma .in .*odd_1"):
        convert(Odd(lambda waveform: tf.math.igamma(1.0, waveform)))


def test_a_fft_whose_length_is_no_power_of_two_is_refused_before_the_device():
    def spectrum(waveform):
        return tf.abs(tf.signal.rfft(tf.reshape(waveform, (-1, 400))))

    with pytest.raises(ConversionError, match=r"power of two.*Received: 400"):
        convert(Odd(spectrum))


def test_a_model_that_cannot_be_traced_gives_one_sentence():
    def broken(waveform):
        raise RuntimeError("no such thing\nsecond line")

    with pytest.raises(ConversionError, match="cannot convert this model") as caught:
        convert(Odd(broken))
    assert "\n" not in str(caught.value)


def test_converting_says_nothing(model, capfd):
    to_tflite(model, get("none"), 16_000)
    output = capfd.readouterr()
    assert output.out == ""
    assert output.err == ""
