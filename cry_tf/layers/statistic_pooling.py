"""Statistic pooling over time (InfantCryNet, equations 4 and 5)."""

from __future__ import annotations

from typing import Any

import keras

from cry_tf.layers import sequence

ops: Any = keras.ops  # typed, wrongly, as often None
MODES = ("per_feature", "dense")


@keras.saving.register_keras_serializable(package="cry_tf")
class StatisticPooling(sequence.SequencePooling):
    """Maps the mean and the variance of a sequence over time to one vector.

    The paper computes both statistics, then "uses a linear layer to reduce two
    dimensions to one", without the layer's shape. We read it literally: for each
    feature, one linear map from its pair (mean, variance) to one value,
    `h_f = a_f * mean_f + b_f * variance_f + c_f`. The other reading, a dense
    layer from all `2 * features` statistics to `units` values, is `mode="dense"`.

    Either starts without the variance (b = 0): `per_feature` as the mean itself,
    `dense` as the mean too where `units` is `features`, else as a random linear
    map of it. Training decides how much the variance counts. A masked step takes
    no part.

    Args:
        mode: `per_feature` or `dense`.
        units: Length of the output of `dense`, None for `features`. Must be None
            for `per_feature`.
        **kwargs: Arguments of `keras.layers.Layer`.
    Call arguments:
        inputs: Float tensor `(batch, time, features)`, time >= 1.
        mask: Bool tensor `(batch, time)`, True where a step is real, or None
            if all are. A row with no real step has mean 0 and variance 0, so it
            gives the bias.
    Output shape:
        `(batch, features)`, or `(batch, units)` for `dense`.

    Raises:
        ValueError: If `mode` is unknown, `units` is not positive or comes with
            `per_feature`, or the input is not of rank 3.

    Example:
    ```python
    embeddings = np.array([[[1.0], [3.0], [9.0]]])  # (1, 3, 1)
    mask = np.array([[True, True, False]])
    pooling = StatisticPooling()
    pooling(embeddings, mask=mask)  # [[2.0]]: untrained, it is the mean
    pooling.variance_kernel.assign([1.0])
    pooling(embeddings, mask=mask)  # [[3.0]]: mean 2 plus variance 1
    ```

    Reference:
        [Hong et al., 2024](https://arxiv.org/abs/2409.19689), equations 4 and 5:
        biased variance, divided by the number of steps.
    """

    def __init__(
        self, mode: str = "per_feature", units: int | None = None, **kwargs: Any
    ):
        super().__init__(**kwargs)
        if mode not in MODES:
            raise ValueError(
                f"mode must be one of {', '.join(MODES)}. Received: mode={mode!r}."
            )
        if units is not None and (mode != "dense" or units < 1):
            raise ValueError(
                "units must be a positive int with mode='dense', and None with "
                f"mode='per_feature'. Received: units={units!r}, mode={mode!r}."
            )
        self.mode = mode
        self.units = units

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        features = input_shape[-1]
        units = self.units or features
        shape = (features, units) if self.mode == "dense" else (features,)
        start = "ones"
        if self.mode == "dense":
            start = "identity" if units == features else "glorot_uniform"
        # autocast=False: a 16-bit policy must not round them before they meet
        # statistics that were accumulated in float32.
        self.mean_kernel = self.add_weight(
            name="mean_kernel", shape=shape, initializer=start, autocast=False
        )
        self.variance_kernel = self.add_weight(
            name="variance_kernel", shape=shape, initializer="zeros", autocast=False
        )
        self.bias = self.add_weight(
            name="bias", shape=(shape[-1],), initializer="zeros", autocast=False
        )

    def call(self, inputs, mask=None):
        values, real = sequence.real_steps(inputs, mask)
        mean = sequence.mean(values, real)
        variance = sequence.variance(values, real, mean)
        # Two products, not one over the joined statistics: dynamic-range
        # quantization gives each product's input a scale of its own, and the
        # variance is often many times the mean.
        product = ops.matmul if self.mode == "dense" else ops.multiply
        pooled = product(mean, ops.cast(self.mean_kernel, mean.dtype))
        pooled += product(variance, ops.cast(self.variance_kernel, mean.dtype))
        pooled += ops.cast(self.bias, mean.dtype)
        return ops.cast(pooled, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.units or input_shape[-1])

    def get_config(self):
        return {**super().get_config(), "mode": self.mode, "units": self.units}
