from .bandwidth import (
    Bandwidth,
    native_sample_rates,
    shared_bandwidth,
)
from .clip import Clip, Problem
from .dataset import Dataset
from .embedding_cache import EmbeddingCache, Embeddings
from .loading import load

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
]
