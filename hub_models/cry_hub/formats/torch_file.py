"""State dicts of PyTorch: the only place that uses torch."""

from __future__ import annotations

import importlib
import io
import re
import zipfile
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
        _check_sums(content)
        checkpoint = torch.load(
            io.BytesIO(content), map_location="cpu", weights_only=True
        )
    # Damaged bytes make PyTorch fail in a dozen ways.
    except Exception as error:
        program = _program_in(error)
        if program is None:
            raise signature.damaged(path, content, "a file of PyTorch") from error
        raise signature.unreadable(
            path,
            f"it is a file of PyTorch that holds more than tensors ({program}), which "
            "could run any program and is not executed: save its state dict alone",
        ) from error
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
        kind = (
            "quantized"
            if tensor.is_quantized
            else str(tensor.layout).removeprefix("torch.")
        )
        if kind != "strided":
            raise signature.unreadable(
                path,
                f"it is a file of PyTorch where {name!r} is a {kind} tensor: save it "
                "as a dense one of floats",
            )
    return {name: _array(torch, tensor) for name, tensor in state.items()}


def _array(torch: Any, tensor: Any) -> np.ndarray:
    tensor = tensor.detach()
    if tensor.dtype in (torch.float16, torch.bfloat16):
        tensor = tensor.float()
    return tensor.numpy()


def _check_sums(content: bytes) -> None:
    """Compares what PyTorch does not: a byte changed on the way goes unseen there."""
    if not content.startswith(b"PK"):
        return  # the format before PyTorch 1.6 has no sums
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise zipfile.BadZipFile(f"{damaged} does not have its CRC-32")


def _program_in(error: Exception) -> str | None:
    """Returns what a file calls for, if PyTorch refused it for that."""
    if "TorchScript" in str(error):
        return "TorchScript"
    # "Unsupported global: GLOBAL os.system was not an allowed global by default."
    name = re.search(r"GLOBAL ([\w.]{1,80})", str(error))
    return name[1] if name else None
