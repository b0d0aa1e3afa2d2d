"""Where PyTorch's modules keep what ours hold, by the names of a state dict."""

from __future__ import annotations

from typing import Any

from cry_hub.layout import Target


def linear(name: str, layer: Any) -> dict[str, Target]:
    """Returns the targets of a `torch.nn.Linear` for a `keras.layers.Dense`."""
    features, units = layer.kernel.shape
    return {
        f"{name}.weight": Target(
            layer.kernel,
            (units, features),
            lambda tensor: tensor.T,  # out, in -> in, out
        ),
        f"{name}.bias": Target(layer.bias, (units,)),
    }


def batch_norm(name: str, layer: Any) -> dict[str, Target]:
    """Returns the targets of a `torch.nn.BatchNorm` for one of Keras."""
    channels = tuple(layer.gamma.shape)
    return {
        f"{name}.weight": Target(layer.gamma, channels),
        f"{name}.bias": Target(layer.beta, channels),
        f"{name}.running_mean": Target(layer.moving_mean, channels),
        f"{name}.running_var": Target(layer.moving_variance, channels),
    }


def batch_counter(name: str) -> str:
    """Returns where a batch norm counts its batches: nothing that inference needs."""
    return f"{name}.num_batches_tracked"
