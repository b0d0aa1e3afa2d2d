"""The Keras 2 twin of a Keras 3 model: the same graph, the same weights.

tf_keras is imported here and in the modules that work on a twin, nowhere else.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tf_keras

from cry_export.compress.layer_set import is_batch_norm, is_rebuilt, twin_names

_SCOPE = "cry_export"


@tf_keras.utils.register_keras_serializable(package=_SCOPE)
class HostedLayer(tf_keras.layers.Layer):
    """A Keras 3 layer in a Keras 2 graph: its program, with weights of this layer.

    Args:
        hosted: The layer's config, from `keras.saving.serialize_keras_object`.
        keywords: Names of the arguments that the last inputs are.
        takes_list: Whether the layer takes its inputs as one list.
    """

    def __init__(
        self,
        hosted: dict[str, Any],
        keywords: tuple[str, ...] = (),
        takes_list: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self._config, self._keywords = hosted, tuple(keywords)
        self._takes_list = takes_list
        layer = keras.saving.deserialize_keras_object(hosted)
        # Behind a function: Keras 2 would take an attribute apart.
        self._hosted = lambda: layer

    @property
    def hosted(self) -> Any:
        """The Keras 3 layer."""
        return self._hosted()

    def build(self, input_shape: Any) -> None:
        layer = self.hosted
        first = input_shape[0] if isinstance(input_shape, list) else input_shape
        with tf.init_scope():
            if not layer.built and not self._takes_list:
                layer.build(tuple(first))
        self._values = [
            self.add_weight(
                name=each.name,
                shape=each.shape,
                dtype=each.dtype,
                trainable=each.trainable,
            )
            for each in layer.trainable_variables + layer.non_trainable_variables
        ]
        super().build(input_shape)

    def call(self, inputs):
        layer = self.hosted
        inputs = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
        split = len(inputs) - len(self._keywords)
        named = dict(zip(self._keywords, inputs[split:], strict=True))
        given = [inputs[:split]] if self._takes_list else inputs[:split]
        if not self._values:
            return layer(*given, **named)
        trained = len(layer.trainable_variables)
        outputs, _ = layer.stateless_call(
            self._values[:trained], self._values[trained:], *given, **named
        )
        return outputs

    def get_config(self):
        return {
            **super().get_config(),
            "hosted": self._config,
            "keywords": list(self._keywords),
            "takes_list": self._takes_list,
        }


@tf_keras.utils.register_keras_serializable(package=_SCOPE)
class HeldBatchNormalization(tf_keras.layers.BatchNormalization):
    """Trains scale and offset over the statistics that training left behind.

    A few epochs on few clips, padding among them, must not move the statistics.
    """

    def call(self, inputs, training=None):
        del training
        return super().call(inputs, training=False)


def build(model: keras.Model, trains_batch_norm: bool = True) -> tf_keras.Model:
    """Returns the twin of a model, with its weights.

    Args:
        model: Functional, of the layers in `layer_set`; models within it are taken
            apart.
        trains_batch_norm: Whether scale and offset of batch norm can be trained; if
            not, it is Keras 2's own layer, frozen. The statistics never move.

    Returns:
        A model whose layers have the names of `twin_names`, and the same output to
        rounding.

    Raises:
        ValueError: If a layer cannot be in a twin.
    """
    names = {id(layer): name for name, layer in twin_names(model).items()}
    made: dict[int, Any] = {}

    def layer_of(layer: Any, arguments: _Arguments) -> Any:
        if id(layer) not in made:
            name = names[id(layer)]
            made[id(layer)] = _layer(layer, name, arguments, trains_batch_norm)
        return made[id(layer)]

    def run(part: Any, inputs: list[Any]) -> list[Any]:
        known = {id(t): value for t, value in zip(part.inputs, inputs, strict=True)}
        for depth in sorted(part._nodes_by_depth, reverse=True):
            for node in part._nodes_by_depth[depth]:
                if node.is_input:
                    continue
                arguments = _Arguments(node)
                given = [known[id(tensor)] for tensor in arguments.tensors]
                if isinstance(node.operation, keras.Model):
                    outputs = run(node.operation, given)
                else:
                    if is_batch_norm(node.operation):
                        given = given[:1]  # a mask matters to statistics alone
                    layer = layer_of(node.operation, arguments)
                    outputs = tf.nest.flatten(
                        layer(given if len(given) > 1 else given[0])
                    )
                for tensor, value in zip(node.outputs, outputs, strict=True):
                    known[id(tensor)] = value
        return [known[id(tensor)] for tensor in part.outputs]

    inputs = [
        tf_keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=tensor.name)
        for tensor in model.inputs
    ]
    twin = tf_keras.Model(inputs, run(model, inputs), name=model.name)
    for name, layer in twin_names(model).items():
        if layer.weights:
            _get(twin, name).set_weights(_ordered(layer))
    return twin


def read_weights(twin: tf_keras.Model, model: keras.Model) -> dict[str, np.ndarray]:
    """Returns the twin's weights as `put_weights` takes them."""
    return {
        f"{name}/{number}": value
        for name, layer in twin_names(model).items()
        if layer.weights
        for number, value in enumerate(_get(twin, name).get_weights())
    }


class _Arguments:
    """What a layer is called with in a Keras 3 graph."""

    def __init__(self, node: Any):
        args, kwargs = node.arguments.args, node.arguments.kwargs
        self.takes_list = bool(args) and isinstance(args[0], (list, tuple))
        positional = list(args[0]) + list(args[1:]) if self.takes_list else list(args)
        named = {
            name: value
            for name, value in kwargs.items()
            if name != "training" and value is not None
        }
        self.keywords = tuple(named)
        self.tensors = [*positional, *named.values()]
        if not all(isinstance(each, keras.KerasTensor) for each in self.tensors):
            raise ValueError(
                "Compression knows layers that are called with tensors alone. "
                f"Received: {node.operation.name!r} called with {args}, {kwargs}."
            )


def _layer(layer: Any, name: str, arguments: _Arguments, trains_batch_norm: bool):
    if is_batch_norm(layer):
        chosen = tf_keras.layers.BatchNormalization
        if trains_batch_norm:
            chosen = HeldBatchNormalization
        return chosen(
            axis=layer.axis,
            epsilon=layer.epsilon,
            center=layer.center,
            scale=layer.scale,
            trainable=trains_batch_norm,
            name=name,
        )
    if is_rebuilt(layer):
        kind = getattr(tf_keras.layers, type(layer).__name__)
        return kind(name=name, **_arguments(layer))
    config: Any = keras.saving.serialize_keras_object(layer)
    return HostedLayer(
        config,
        keywords=arguments.keywords,
        takes_list=arguments.takes_list,
        name=name,
    )


def _arguments(layer: Any) -> dict[str, Any]:
    """Returns what makes the Keras 2 layer of a Keras 3 one, but for its name."""
    names = {
        "Activation": ("activation",),
        "AveragePooling2D": ("pool_size", "strides", "padding"),
        "Conv1D": ("filters", "kernel_size", "strides", "padding", "dilation_rate"),
        "Conv2D": ("filters", "kernel_size", "strides", "padding", "dilation_rate"),
        "Dense": ("units",),
        "DepthwiseConv2D": ("kernel_size", "strides", "padding", "dilation_rate"),
        "Dropout": ("rate",),
        "GlobalAveragePooling2D": ("keepdims",),
        "MaxPooling2D": ("pool_size", "strides", "padding"),
        "ReLU": ("max_value", "negative_slope", "threshold"),
        "ZeroPadding2D": ("padding",),
    }.get(type(layer).__name__, ())
    found = {name: getattr(layer, name) for name in names}
    if hasattr(layer, "use_bias"):
        found["use_bias"] = layer.use_bias
        found["activation"] = layer.activation
    if "activation" in found:
        found["activation"] = keras.activations.serialize(found["activation"])
    if getattr(layer, "groups", 1) != 1 or getattr(layer, "depth_multiplier", 1) != 1:
        raise ValueError(
            "Compression knows convolutions of all channels or of each alone. "
            f"Received: {layer.name!r} with groups or a depth multiplier."
        )
    return found


def _get(twin: tf_keras.Model, name: str) -> Any:
    return twin.get_layer(name)


def _ordered(layer: Any) -> list[np.ndarray]:
    """Returns the weights of a Keras 3 layer, trained ones first as in Keras 2."""
    values = layer.trainable_weights + layer.non_trainable_weights
    if is_batch_norm(layer):
        values = layer.weights  # scale, offset and statistics, also of a frozen one
    return [np.asarray(value) for value in values]
