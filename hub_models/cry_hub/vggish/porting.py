"""Google's names for the weights of VGGish, to ours."""

from __future__ import annotations

from typing import Any

import keras

from cry_hub.porting import Layout, Target
from cry_hub.vggish.vggish import CONV_GROUPS, DENSE_LAYERS, layer_name


def slim_layout(model: keras.Model) -> Layout:
    """Returns where the tensors of Google's checkpoint of VGGish go.

    The names are those of TF-Slim in tensorflow/models research/audioset/vggish:
    `vggish/conv3/conv3_1/weights` and `vggish/conv3/conv3_1/biases`.

    Args:
        model: A `VGGish`.

    Example:
    ```python
    # The checkpoint as the .npz that `cry_hub.load` takes.
    checkpoint = tf.train.load_checkpoint("vggish_model.ckpt")
    names = checkpoint.get_variable_to_shape_map()
    arrays = {name: checkpoint.get_tensor(name) for name in names}
    np.savez("vggish.npz", **arrays)
    ```
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
    return Layout(targets)
