"""State dicts of PyTorch: the only place that uses torch."""

from __future__ import annotations

import importlib
import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cry_hub.errors import WeightsError
from cry_hub.formats import signature


def parse(content: bytes, path: Path) -> dict[str, np.ndarray]:
    """Returns the tensors of a state dict by name.

    PANNs' files hold `{"model": state dict}`, EfficientAT's the state dict itself.
    The content is read with `weights_only=True`: what a pickle could call besides
    rebuilding tensors is refused and never runs.

    Returns:
        Arrays; bfloat16 and float16 as float32, everything else as it is.

    Raises:
        WeightsError: If PyTorch is missing; if the content is truncated or
            damaged, holds a program, or is not a mapping of names to tensors.
    """
    try:
        torch = importlib.import_module("torch")
    except ImportError as error:
        raise WeightsError(
            f"{path} is a file of PyTorch, which reads it and is not installed: "
            'pip install "cry-tf[port]".'
        ) from error
    try:
        checkpoint = torch.load(
            io.BytesIO(content), map_location="cpu", weights_only=True
        )
    except pickle.UnpicklingError as error:
        raise _refusal(path, content, error) from error
    # Damaged bytes make PyTorch fail in many other ways.
    except Exception as error:
        raise signature.damaged(path, content, "a file of PyTorch") from error
    state = checkpoint
    if isinstance(state, Mapping) and isinstance(state.get("model"), Mapping):
        state = state["model"]
    if not isinstance(state, Mapping) or not state:
        raise signature.unreadable(
            path,
            f"it is a file of PyTorch with a {type(state).__name__} and no tensors",
        )
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise signature.unreadable(
                path,
                f"it is a file of PyTorch where {name!r} is of {type(tensor).__name__} "
                'and no tensor: save a state dict, or {"model": state dict}',
            )
    return {name: _array(torch, tensor) for name, tensor in state.items()}


def _array(torch: Any, tensor: Any) -> np.ndarray:
    tensor = tensor.detach()
    if tensor.dtype in (torch.float16, torch.bfloat16):
        tensor = tensor.float()
    return tensor.numpy()


def _refusal(path: Path, content: bytes, error: Exception) -> WeightsError:
    # torch says "Unsupported global: GLOBAL os.system was not an allowed global".
    if "nsupported" not in str(error):
        return signature.damaged(path, content, "a file of PyTorch")
    return signature.unreadable(
        path,
        "it is a file of PyTorch that calls for more than tensors, which could run "
        "any program, and is not executed: save its state dict alone",
    )
