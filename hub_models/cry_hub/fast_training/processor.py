"""Where training steps run."""

from __future__ import annotations

import tensorflow as tf


def trains_here(*, jit_compile: bool) -> bool:
    """Returns whether training steps run on a processor, by TensorFlow's own kernels.

    Args:
        jit_compile: Whether XLA compiles them.
    """
    return not jit_compile and not tf.config.list_physical_devices("GPU")
