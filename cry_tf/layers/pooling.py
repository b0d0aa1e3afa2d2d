"""The five poolings over time: max, average, max + average, statistic, attention."""

from __future__ import annotations

import inspect
import math
from typing import Any

import keras

ops: Any = keras.ops  # typed, wrongly, as often None


def real_steps(inputs: Any, mask: Any) -> tuple[Any, Any]:
    """Returns `values` in at least float32, zero where masked, and `real`.

    Zeros replace masked steps before anything is computed, so that a NaN there
    reaches neither the result nor the gradient.
    """
    dtype = keras.backend.standardize_dtype(inputs.dtype)
    wide = dtype in ("float32", "float64")
    values = inputs if wide else ops.cast(inputs, "float32")
    if mask is None:
        return values, None
    real = ops.expand_dims(ops.cast(mask, "bool"), axis=-1)
    return ops.where(real, values, ops.zeros((), values.dtype)), real


def mean_over_time(values: Any, real: Any) -> Any:
    """Returns the mean over real steps `(batch, features)`, 0 if there is none."""
    if real is None:
        return ops.mean(values, axis=1)
    steps = ops.sum(ops.cast(real, values.dtype), axis=1)
    return ops.sum(values, axis=1) / ops.maximum(steps, 1.0)


def variance_over_time(values: Any, real: Any, center: Any) -> Any:
    """Returns the mean squared distance from `center` `(batch, features)`.

    It is the biased variance, divided by the number of real steps, 0 if there
    is none.
    """
    squares = ops.square(values - ops.expand_dims(center, axis=1))
    if real is not None:
        squares = ops.where(real, squares, ops.zeros((), squares.dtype))
    return mean_over_time(squares, real)


def maximum_over_time(values: Any, real: Any) -> Any:
    """Returns the maximum over real steps `(batch, features)`, 0 if there is none."""
    if real is None:
        return ops.max(values, axis=1)
    highest = ops.max(ops.where(real, values, -math.inf), axis=1)
    return ops.where(ops.any(real, axis=1), highest, ops.zeros((), values.dtype))


class SequencePooling(keras.layers.Layer):
    """Base class of the pooling layers: shapes, masks and dtype.

    Sums are accumulated in float32 under a 16-bit policy; the result is in the
    policy's compute dtype.

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
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Checks that the input is a sequence of features."""
        if len(input_shape) != 3 or input_shape[-1] is None:
            raise ValueError(
                f"{type(self).__name__} pools embeddings (batch, time, features) "
                "with a fixed number of features. Received: "
                f"input_shape={tuple(input_shape)}."
            )
        super().build(input_shape)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[-1])

    def compute_mask(self, inputs, mask=None):
        # The time axis is gone, and its mask with it.
        return None


@keras.saving.register_keras_serializable(package="cry_tf")
class MaxPooling(SequencePooling):
    """Takes the maximum of a sequence over time, feature by feature.

    One step stands for the whole clip, the others are ignored. A masked step
    takes no part.

    Takes and gives what every `SequencePooling` does.

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
        values, real = real_steps(inputs, mask)
        return ops.cast(maximum_over_time(values, real), self.compute_dtype)


@keras.saving.register_keras_serializable(package="cry_tf")
class AveragePooling(SequencePooling):
    """Takes the mean of a sequence over time, feature by feature.

    Every real step counts the same. A masked step takes no part.

    Takes and gives what every `SequencePooling` does.

    Example:
    ```python
    embeddings = np.array([[[1.0], [3.0], [9.0]]])  # (1, 3, 1)
    mask = np.array([[True, True, False]])
    AveragePooling()(embeddings, mask=mask)  # [[2.0]]
    ```

    Reference:
        [Hong et al., 2024](https://arxiv.org/abs/2409.19689), equation 2.
    """

    def call(self, inputs, mask=None):
        values, real = real_steps(inputs, mask)
        return ops.cast(mean_over_time(values, real), self.compute_dtype)


@keras.saving.register_keras_serializable(package="cry_tf")
class MaxAveragePooling(SequencePooling):
    """Adds the maximum and the mean of a sequence over time, feature by feature.

    The published PANNs were trained with this pooling. A masked step takes no
    part.

    Takes and gives what every `SequencePooling` does.

    Example:
    ```python
    embeddings = np.array([[[1.0], [3.0], [9.0]]])  # (1, 3, 1)
    mask = np.array([[True, True, False]])
    MaxAveragePooling()(embeddings, mask=mask)  # [[5.0]], 3 + 2
    ```

    Reference:
        [Hong et al., 2024](https://arxiv.org/abs/2409.19689), equation 3;
        [Kong et al., 2020](https://arxiv.org/abs/1912.10211).
    """

    def call(self, inputs, mask=None):
        values, real = real_steps(inputs, mask)
        both = maximum_over_time(values, real) + mean_over_time(values, real)
        return ops.cast(both, self.compute_dtype)


MODES = ("per_feature", "dense")


@keras.saving.register_keras_serializable(package="cry_tf")
class StatisticPooling(SequencePooling):
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
        inputs, mask: As of every `SequencePooling`. A row with no real step has
            mean 0 and variance 0, so it gives the bias.
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
        values, real = real_steps(inputs, mask)
        mean = mean_over_time(values, real)
        variance = variance_over_time(values, real, mean)
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


NORMALIZATIONS = ("softmax", "sigmoid")


@keras.saving.register_keras_serializable(package="cry_tf")
class AttentionPooling(SequencePooling):
    """Averages a sequence over time with learned weights, one set a head.

    The features are cut into `heads` groups of equal size. A learned linear map
    gives every step one score a head, `normalization` makes the scores positive
    weights `alpha`, and a group is pooled with the weights of its head:
    `h = sum_i(alpha_i * h_i) / sum_i(alpha_i)`. Scores start at zero, so an
    untrained layer is the average. A masked step takes no part.

    The paper writes `alpha = W h` with W an N x N matrix, N being the number of
    steps, and does not specify heads or signs. Taken literally W needs
    clips of one length and ties a weight to a position in the clip, which
    contradicts the paper's aim of "audio clips of varying lengths", and signed
    weights let the sum below the fraction vanish. We therefore read W as a map
    from an embedding to its scores and make the weights positive. If N stands
    for the features, W is square as in the paper with `heads` equal to the number
    of features: each feature has weights of its own.

    Args:
        heads: Number of feature groups, must divide the number of features.
        normalization: `softmax` takes `alpha = exp(score)`, `sigmoid` takes
            `alpha = 1 / (1 + exp(-score))`, in which a step's weight saturates
            and a learned bias sets where.
        **kwargs: Arguments of `keras.layers.Layer`.
    Call arguments:
        inputs, mask: As of every `SequencePooling`.

    Raises:
        ValueError: If `heads` is not positive or does not divide the features,
            `normalization` is unknown, or the input is not of rank 3.

    Example:
    ```python
    embeddings = np.array([[[1.0], [3.0], [9.0]]])  # (1, 3, 1)
    mask = np.array([[True, True, False]])
    pooling = AttentionPooling(heads=1)
    pooling(embeddings, mask=mask)  # [[2.0]]: untrained, it is the average
    pooling.kernel.assign([[10.0]])
    pooling(embeddings, mask=mask)  # [[3.0]]: all attention on the larger step
    ```

    Reference:
        [Hong et al., 2024](https://arxiv.org/abs/2409.19689), equation 6.
    """

    def __init__(self, heads: int = 4, normalization: str = "softmax", **kwargs: Any):
        super().__init__(**kwargs)
        if heads < 1:
            raise ValueError(f"heads must be a positive int. Received: heads={heads}.")
        if normalization not in NORMALIZATIONS:
            raise ValueError(
                f"normalization must be one of {', '.join(NORMALIZATIONS)}. "
                f"Received: normalization={normalization!r}."
            )
        self.heads = heads
        self.normalization = normalization

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        features = input_shape[-1]
        if features % self.heads:
            raise ValueError(
                "heads must divide the number of features into equal groups. "
                f"Received: heads={self.heads}, features={features}."
            )
        self.kernel = self.add_weight(
            name="kernel",
            shape=(features, self.heads),
            initializer="zeros",
            autocast=False,
        )
        # A bias would cancel out of a softmax.
        self.bias = None
        if self.normalization == "sigmoid":
            self.bias = self.add_weight(
                name="bias", shape=(self.heads,), initializer="zeros", autocast=False
            )

    def call(self, inputs, mask=None):
        values, real = real_steps(inputs, mask)
        weights = self._weights(values, real)
        features = values.shape[-1]
        time = ops.shape(values)[1]
        # (batch, time, heads, features of a head)
        groups = ops.reshape(values, (-1, time, self.heads, features // self.heads))
        weights = ops.reshape(weights, (-1, time, self.heads, 1))
        pooled = ops.sum(weights * groups, axis=1)
        return ops.cast(ops.reshape(pooled, (-1, features)), self.compute_dtype)

    def _weights(self, values, real):
        """Returns weights `(batch, time, heads)` that sum to 1 over real steps."""
        scores = ops.matmul(values, ops.cast(self.kernel, values.dtype))
        if self.bias is not None:
            scores += ops.cast(self.bias, values.dtype)
            # The logarithm of a sigmoid: the softmax of it is the sum-normalised
            # sigmoid, and stays finite where every sigmoid underflows to zero.
            scores = ops.minimum(scores, 0.0) - ops.log(1.0 + ops.exp(-ops.abs(scores)))
        # Not `ops.softmax`: it warns about a clip of one step.
        if real is not None:
            scores = ops.where(real, scores, -1e9)
        highest = ops.max(scores, axis=1, keepdims=True)
        weights = ops.exp(scores - ops.stop_gradient(highest))
        if real is not None:
            weights = ops.where(real, weights, ops.zeros((), weights.dtype))
        # The largest weight is 1: the sum is less only without a real step.
        return weights / ops.maximum(ops.sum(weights, axis=1, keepdims=True), 1.0)

    def get_config(self):
        return {
            **super().get_config(),
            "heads": self.heads,
            "normalization": self.normalization,
        }


_LAYERS: dict[str, type[keras.layers.Layer]] = {
    "max": MaxPooling,
    "average": AveragePooling,
    "max_average": MaxAveragePooling,
    "statistic": StatisticPooling,
    "attention": AttentionPooling,
}
POOLING_NAMES: tuple[str, ...] = tuple(_LAYERS)


def get(pooling: str | keras.layers.Layer) -> keras.layers.Layer:
    """Returns the pooling layer that `pooling` names, or `pooling` itself.

    Args:
        pooling: One of `POOLING_NAMES`, which gives a new layer named `pooling`
            with its default arguments, or a layer that maps
            `(batch, time, features)` and a `mask` `(batch, time)` to
            `(batch, units)`.

    Raises:
        ValueError: If the name is unknown, or the layer takes no `mask` argument.

    Example:
    ```python
    pooling.get("attention")
    pooling.get(AttentionPooling(heads=8, name="pooling"))
    ```
    """
    if isinstance(pooling, str) and pooling in _LAYERS:
        return _LAYERS[pooling](name="pooling")
    if not isinstance(pooling, keras.layers.Layer):
        raise ValueError(
            f"pooling must be one of {', '.join(POOLING_NAMES)}, or a Keras layer. "
            f"Received: pooling={pooling!r}."
        )
    if "mask" not in inspect.signature(pooling.call).parameters:
        raise ValueError(
            "A pooling layer must take a `mask` in its `call`, so that padding never "
            f"changes a result. Received: pooling={pooling!r}."
        )
    return pooling
