"""Faster convolutions in training: Winograd's algorithm as matrix products."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cry_hub.fast_training.processor import trains_here

_OUT = 4
TAPS = 3
_IN = _OUT + TAPS - 1
# Where the polynomials behind the maps are evaluated, beside infinity. In float32 the
# usual 0, 1, -1, 2, -2 have twice the error.
_POINTS = (0.0, 2 / 3, -2 / 3, 3 / 2, -3 / 2)


def convolve(x: Any, kernel: Any) -> Any:
    """Returns `tf.nn.conv2d(x, kernel, 1, "SAME")`, up to rounding.

    Args:
        x: Float32 tensor `(batch, height, width, channels)`.
        kernel: Float32 `(3, 3, channels, filters)`.

    Returns:
        Float32 `(batch, height, width, filters)`. Of a standard deviation of 1, they
        are 1e-6 to 3e-6 from those of the definition in float32 (root of the mean
        square; 64 to 2048 channels), and so are gradients of their own.
    """

    @tf.custom_gradient
    def convolved(x, kernel):
        filters = _transformed(_FILTER, kernel)
        tiles = _transformed(_INPUT, _tiles(x, _IN))
        y = _untiled(tf.matmul(tiles, filters), tf.shape(x))

        def gradient(dy):
            turned = tf.transpose(kernel[::-1, ::-1], (0, 1, 3, 2))
            back = _transformed(_INPUT, _tiles(dy, _IN))
            dx = _untiled(tf.matmul(back, _transformed(_FILTER, turned)), tf.shape(dy))
            products = _transformed(_OUTPUT.T, _tiles(dy, _OUT))
            dfilters = tf.matmul(tiles, products, transpose_a=True)
            dkernel = tf.reshape(_transformed(_FILTER.T, dfilters), tf.shape(kernel))
            return tf.ensure_shape(dx, x.shape), dkernel

        return y, gradient

    outputs: Any = convolved(x, kernel)
    return tf.ensure_shape(outputs, (*x.shape[:3], kernel.shape[3]))


def count_tiles(x: Any) -> Any:
    """Returns of how many tiles a batch of images is made."""
    shape = tf.shape(x)
    rows, columns = _counts(shape)
    return shape[0] * rows * columns


def _toom_cook() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the maps of inputs (6, 6), filters (6, 3) and outputs (4, 6) in 1-D."""
    points = np.array(_POINTS)
    infinity = np.eye(_IN)[-1]
    others = [np.delete(points, n) for n in range(len(points))]
    scale = [np.prod(point - rest) for point, rest in zip(points, others, strict=True)]
    powers = points[:, None] ** np.arange(_IN)
    of_filter = np.vstack([powers[:, :TAPS] / np.c_[scale], infinity[-TAPS:]])
    of_output = np.vstack([powers[:, :_OUT], infinity[-_OUT:]]).T
    rows = [np.append(np.poly(rest)[::-1], 0) for rest in others]
    of_input = np.vstack([*rows, np.poly(points)[::-1]])
    return of_input, of_filter, of_output


def _twice(matrix: np.ndarray) -> np.ndarray:
    """Returns the map of both axes at once."""
    return np.kron(matrix, matrix).astype(np.float32)


_INPUT, _FILTER, _OUTPUT = map(_twice, _toom_cook())


def _transformed(matrix: np.ndarray, parts: Any) -> Any:
    """Maps what the leading axes hold.

    Args:
        matrix: `(new, old)`.
        parts: `(..., m, n)`, the leading axes of `old` elements together.

    Returns:
        `(new, m, n)`.
    """
    shape = tf.shape(parts)[-2:]
    flat = tf.matmul(tf.constant(matrix), tf.reshape(parts, (matrix.shape[1], -1)))
    return tf.reshape(flat, (matrix.shape[0], shape[0], shape[1]))


def _counts(shape: Any) -> tuple[Any, Any]:
    """Returns how many tiles there are in height and width."""
    return (shape[1] + _OUT - 1) // _OUT, (shape[2] + _OUT - 1) // _OUT


def _tiles(x: Any, size: int) -> Any:
    """Returns the tiles of an image, one every 4 pixels.

    Args:
        x: `(batch, height, width, channels)`.
        size: 6 for tiles that overlap and begin a pixel early, 4 for others.

    Returns:
        `(size, size, tiles, channels)`.
    """
    shape = tf.shape(x)
    rows, columns = _counts(shape)
    early, more = (1, 1) if size > _OUT else (0, 0)
    down = _OUT * (rows + more) - shape[1] - early
    right = _OUT * (columns + more) - shape[2] - early
    x = tf.pad(x, ((0, 0), (early, down), (early, right), (0, 0)))
    split = (shape[0], rows + more, _OUT, columns + more, _OUT, x.shape[3])
    x = tf.transpose(tf.reshape(x, split), (2, 4, 0, 1, 3, 5))
    if more:
        # Pixels 4 and 5 of a tile are 0 and 1 of the next.
        x = tf.concat([x[:, :, :, :-1], x[: size - _OUT, :, :, 1:]], axis=0)
        ahead = x[:, : size - _OUT, :, :, 1:]
        x = tf.concat([x[:, :, :, :, :-1], ahead], axis=1)
    return tf.reshape(x, (size, size, -1, x.shape[5]))


def _untiled(products: Any, shape: Any) -> Any:
    """Returns the image of `shape`, but for its channels, that products make."""
    rows, columns = _counts(shape)
    tiles = _transformed(_OUTPUT, products)
    split = (_OUT, _OUT, shape[0], rows, columns, products.shape[-1])
    x = tf.transpose(tf.reshape(tiles, split), (2, 3, 0, 4, 1, 5))
    x = tf.reshape(x, (shape[0], _OUT * rows, _OUT * columns, products.shape[-1]))
    return x[:, : shape[1], : shape[2]]


# Fewer channels, and the maps of tiles cost what the products save; fewer tiles, and
# those of filters do.
_LEAST_CHANNELS = 128
_LEAST_TILES = 48


@keras.saving.register_keras_serializable(package="cry_tf")
class Conv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D` that can be faster in training.

    On a processor without XLA a training step in float32 computes the same by
    Winograd's algorithm, once `prepare_training` said that it will run so, where that
    pays: 3x3 with stride 1 over 128 channels or more, on more than a few clips.
    Inference is Keras's, bit by bit. Args and call arguments are those of Keras.
    """

    _is_prepared: bool = False

    def prepare_training(self, *, jit_compile: bool) -> None:
        """Chooses the implementation, before Keras traces a training step.

        Args:
            jit_compile: Bool, whether XLA compiles the step.
        """
        self._is_prepared = trains_here(jit_compile=jit_compile)

    def call(self, inputs, training=None):
        if not (training and self._is_prepared and self._is_suited(inputs)):
            return super().call(inputs)
        kernel = tf.convert_to_tensor(self.kernel)
        outputs: Any = tf.cond(
            count_tiles(inputs) >= _LEAST_TILES,
            lambda: convolve(inputs, kernel),
            lambda: tf.nn.conv2d(inputs, kernel, 1, "SAME"),
        )
        if self.bias is not None:
            outputs += tf.convert_to_tensor(self.bias)
        return outputs if self.activation is None else self.activation(outputs)

    def _is_suited(self, inputs: Any) -> bool:
        return (
            self.kernel_size == (TAPS, TAPS)
            and self.strides == (1, 1)
            and self.dilation_rate == (1, 1)
            and self.groups == 1
            and self.padding == "same"
            and self.data_format == "channels_last"
            and self.compute_dtype == "float32"
            and inputs.shape[-1] >= _LEAST_CHANNELS
        )
