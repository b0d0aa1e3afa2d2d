"""Trains a network that computes in int8 already, and writes it as TFLite."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras

from cry_export.compress.compression import FineTuning
from cry_export.compress.edges import edges
from cry_export.compress.fine_tuning import Clips, fine_tune
from cry_export.compress.twin import HostedLayer
from cry_export.convert import without_fft

_CONVOLUTIONS = (tf_keras.layers.Conv2D, tf_keras.layers.DepthwiseConv2D)
_CALIBRATION_CLIPS = 128
_CALIBRATION_BATCH = 8


class OutputRange(tfmot.quantization.keras.QuantizeConfig):
    """Rounds what a layer gives to 256 levels, and nothing within it."""

    def get_weights_and_quantizers(self, layer):
        return []

    def get_activations_and_quantizers(self, layer):
        return []

    def set_quantize_weights(self, layer, quantize_weights):
        pass

    def set_quantize_activations(self, layer, quantize_activations):
        pass

    def get_output_quantizers(self, layer):
        quantizer = tfmot.quantization.keras.quantizers.MovingAverageQuantizer
        return [
            quantizer(num_bits=8, per_axis=False, symmetric=False, narrow_range=False)
        ]

    def get_config(self):
        return {}


def train_for_int8(
    twin: tf_keras.Model, clips: Clips, targets: np.ndarray, tuning: FineTuning
) -> tuple[tf_keras.Model, list[float]]:
    """Trains with weights and activations rounded as int8 rounds them.

    Rounded are convolutions and dense layers, what follows them up to the ReLU or
    the sum, and what they are given. The front end, a batch norm before the first
    convolution, pools, the pooling over time and the last dense layer stay float.

    Args:
        twin: With batch norm frozen, so that it can be folded. Not changed.
        clips: What it is trained on.
        targets: The scores that it should give.
        tuning: How to train.

    Returns:
        The twin with rounding in it, and the loss of each epoch.
    """
    rounded = rounded_layers(twin)

    def annotated(layer):
        if layer.name not in rounded:
            return layer
        config = None if rounded[layer.name] else OutputRange()
        return tfmot.quantization.keras.quantize_annotate_layer(layer, config)

    scope = {"OutputRange": OutputRange, "HostedLayer": HostedLayer}
    with tfmot.quantization.keras.quantize_scope(scope):
        copy = tf_keras.models.clone_model(twin, clone_function=annotated)
        trained = tfmot.quantization.keras.quantize_apply(copy)
    _set_ranges(trained, _ranges(twin, list(rounded), clips))
    return trained, fine_tune(trained, clips, targets, tuning)


def rounded_layers(twin: tf_keras.Model) -> dict[str, bool]:
    """Returns the names of the layers that are rounded.

    True: weights and output, as tensorflow-model-optimization does it for a layer of
    that kind. False: the output alone, because a rounded layer reads it.
    """
    found: dict[str, bool] = {}
    for layer in twin.layers:
        if isinstance(layer, _CONVOLUTIONS):
            found[layer.name] = True
            (after,) = _readers(layer)[:1] or (None,)
            if isinstance(after, tf_keras.layers.BatchNormalization):
                found[after.name] = True
                (after,) = _readers(after)[:1] or (None,)
            if isinstance(after, tf_keras.layers.ReLU):
                found[after.name] = True
        elif isinstance(layer, tf_keras.layers.Dense):
            if layer.name != "logits":
                found[layer.name] = True
        elif isinstance(layer, tf_keras.layers.Add):
            found[layer.name] = True
            for after in _readers(layer):
                if isinstance(after, tf_keras.layers.ReLU):
                    found[after.name] = True
    for layer in twin.layers:
        if found.get(layer.name) and _has_kernel(layer):
            (source,) = _sources(layer)
            found.setdefault(source.name, False)
    return found


def to_tflite(trained: tf_keras.Model, samples: int | None) -> bytes:
    """Converts what `train_for_int8` made to a flatbuffer with float input.

    Args:
        trained: The twin with rounding in it.
        samples: Fixed number of samples of the input, or None.
    """
    signature = tf.TensorSpec((1, samples), tf.float32, name="waveform")
    program = tf.function(lambda waveform: trained(waveform, training=False))
    with without_fft(_front_end_of_small_products(trained)):
        concrete = program.get_concrete_function(signature)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], trained)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    return converter.convert()


def _front_end_of_small_products(trained: tf_keras.Model) -> Any:
    """Returns the front end if its matrices are too small for the converter to round.

    Those for an FFT of 1024 are not: there the FFT stays.
    """
    for layer in trained.layers:
        front_end: Any = getattr(layer, "hosted", None)
        if hasattr(front_end, "by_products") and front_end.spec.fft_length <= 512:
            return front_end
    return None


def _ranges(
    twin: tf_keras.Model, names: list[str], clips: Clips
) -> dict[str, tuple[float, float]]:
    """Returns the smallest and largest output of layers over some clips.

    tensorflow-model-optimization begins at -6 and 6 and moves by a thousandth a
    step: a few epochs would never get to the ranges that there are.
    """
    layers: list[Any] = [twin.get_layer(name) for name in names]
    outputs = [layer.output for layer in layers]
    inside = tf_keras.Model(twin.inputs, outputs)

    @tf.function(reduce_retracing=True)
    def ends(waveforms):
        found = tf.nest.flatten(inside(waveforms, training=False))
        lowest = tf.stack([tf.reduce_min(each) for each in found])
        return lowest, tf.stack([tf.reduce_max(each) for each in found])

    first = len(edges())  # always among them
    every = max(1, (len(clips) - first) // _CALIBRATION_CLIPS)
    places = np.append(np.arange(first), np.arange(first, len(clips), every))
    lows, highs = [], []
    for start in range(0, len(places), _CALIBRATION_BATCH):
        batch = clips.batch(places[start : start + _CALIBRATION_BATCH])
        low, high = ends(tf.constant(batch))
        lows.append(np.asarray(low))
        highs.append(np.asarray(high))
    low = np.minimum(np.min(lows, axis=0), 0.0)
    high = np.maximum(np.max(highs, axis=0), low + 1e-3)
    return {
        name: (float(first), float(last))
        for name, first, last in zip(names, low, high, strict=True)
    }


def _set_ranges(
    trained: tf_keras.Model, ranges: dict[str, tuple[float, float]]
) -> None:
    for layer in trained.layers:
        name = layer.name.removeprefix("quant_")
        if name == layer.name or name not in ranges:
            continue
        low, high = ranges[name]
        for weight in layer.non_trainable_weights:
            if weight.name.endswith(("output_min:0", "post_activation_min:0")):
                weight.assign(min(low, 0.0))
            elif weight.name.endswith(("output_max:0", "post_activation_max:0")):
                weight.assign(max(high, 0.0))


def _has_kernel(layer: Any) -> bool:
    return isinstance(layer, (*_CONVOLUTIONS, tf_keras.layers.Dense))


def _readers(layer: Any) -> list[Any]:
    return [node.outbound_layer for node in layer.outbound_nodes]


def _sources(layer: Any) -> list[Any]:
    return tf.nest.flatten(layer.inbound_nodes[0].inbound_layers)
