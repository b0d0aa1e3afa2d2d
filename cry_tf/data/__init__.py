"""Labelled recordings: loading, grouping, splitting, decoding, embeddings.

Names load when they are first used, so `import cry_tf.data` stays fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cry_tf.data.bandwidth import (
        Bandwidth,
        native_sample_rates,
        shared_bandwidth,
        shared_bandwidth_hz,
    )
    from cry_tf.data.clip import Clip, Problem
    from cry_tf.data.dataset import Dataset
    from cry_tf.data.embedding_cache import EmbeddingCache, Embeddings
    from cry_tf.data.loading import load

_MODULES = {
    "Bandwidth": "bandwidth",
    "Clip": "clip",
    "Dataset": "dataset",
    "EmbeddingCache": "embedding_cache",
    "Embeddings": "embedding_cache",
    "Problem": "clip",
    "load": "loading",
    "native_sample_rates": "bandwidth",
    "shared_bandwidth": "bandwidth",
    "shared_bandwidth_hz": "bandwidth",
}

__all__ = [
    "Bandwidth",
    "Clip",
    "Dataset",
    "EmbeddingCache",
    "Embeddings",
    "Problem",
    "load",
    "native_sample_rates",
    "shared_bandwidth",
    "shared_bandwidth_hz",
]


def __getattr__(name: str) -> Any:
    """Imports the module behind a public name on first use (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Lists the public names, loaded or not."""
    return sorted(__all__)
