"""Google's names for the weights of VGGish, to ours."""

from __future__ import annotations

import re
from typing import Any

import keras

from cry_hub.layout import Layout, Target
from cry_hub.vggish.vggish import CONV_GROUPS, DENSE_LAYERS, layer_name

# The slots and counters of TensorFlow 1's optimizers (tensorflow/python/training).
_TRAINING_STATE = re.compile(
    r"(^|/)(global_step|beta[12]_power)$"
    r"|/(Adam|Adam_1|Adagrad|Momentum|RMSProp|RMSProp_1)$"
)


def slim_layout(model: keras.Model) -> Layout:
    """Returns where the tensors of Google's checkpoint of VGGish go.

    The names are those of TF-Slim in tensorflow/models research/audioset/vggish:
    `vggish/conv3/conv3_1/weights` and `vggish/conv3/conv3_1/biases`. The
    variables of the SavedModel on TensorFlow Hub have them too; `scope_name`
    takes what may stand around them away. What an optimizer kept in a checkpoint
    of somebody's training is passed over.

    Args:
        model: A `VGGish`.
    """
    targets: dict[str, Target] = {}

    def add(scope: str) -> None:
        layer: Any = model.get_layer(layer_name(scope))
        # Convolution: kh, kw, in, out. Dense: in, out. Both are as Keras has
        # them, and the rows of fc1_1 are height, width, channels as `Flatten`
        # gives them: nothing to transpose.
        targets[f"vggish/{scope}/weights"] = Target(
            layer.kernel, tuple(layer.kernel.shape)
        )
        targets[f"vggish/{scope}/biases"] = Target(layer.bias, tuple(layer.bias.shape))

    for group in CONV_GROUPS:
        for scope, _ in group:
            add(scope)
    for scope, _ in DENSE_LAYERS:
        add(scope)
    return Layout(targets, rename=scope_name, training_state=_TRAINING_STATE)


def scope_name(name: str) -> str:
    """Returns a variable's name from the scope `vggish` on, without the `:0`.

    `module/vggish/fc2/biases:0` becomes `vggish/fc2/biases`. A name without that
    scope comes back as it is.
    """
    match = re.fullmatch(r"(?:.*/)?(vggish/[^:]*)(?::0)?", name)
    return match[1] if match else name
