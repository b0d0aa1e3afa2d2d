"""Max pooling over time (InfantCryNet, equation 1)."""

from __future__ import annotations

import keras
from keras import ops

from cry_tf.layers import sequence


@keras.saving.register_keras_serializable(package="cry_tf")
class MaxPooling(sequence.SequencePooling):
    """Takes the maximum of a sequence over time, feature by feature.

    One step stands for the whole clip, the others are ignored. A masked step
    takes no part.

    Args:
        **kwargs: Arguments of `keras.layers.Layer`.
    Call arguments:
        inputs: Float tensor `(batch, time, features)`, time >= 1.
        mask: Bool tensor `(batch, time)`, True where a step is real, or None
            if all are. A row with no real step gives zeros.
    Output shape:
        `(batch, features)`.

    Raises:
        ValueError: If the input is not of rank 3.

    Example:
    ```python
    embeddings = np.array([[[1.0], [3.0], [9.0]]])  # (1, 3, 1)
    mask = np.array([[True, True, False]])
    MaxPooling()(embeddings, mask=mask)  # [[3.0]]
    ```

    Reference:
        [Hong et al., 2024](https://arxiv.org/abs/2409.19689), equation 1.
    """

    def call(self, inputs, mask=None):
        values, real = sequence.real_steps(inputs, mask)
        return ops.cast(sequence.maximum(values, real), self.compute_dtype)
