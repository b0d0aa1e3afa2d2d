"""VGGish embeddings as AudioSet and YouTube-8M publish them: PCA, then 8 bits."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from cry_hub import formats
from cry_hub.errors import WeightsError

# vggish_pca_params.npz of storage.googleapis.com/audioset.
PCA_SHA256 = "4d878af3e306defbfb37095365aa7e5a6cecb86bad13e859e626151c4e6a8b9d"
# From tensorflow/models, research/audioset/vggish/vggish_params.py.
QUANTIZE_MIN = -2.0
QUANTIZE_MAX = 2.0


@dataclass(frozen=True)
class Postprocessor:
    """Turns embeddings into the 8-bit features of AudioSet and YouTube-8M.

    Their features were released in this form; it is what makes ours comparable
    with them. For training a head the embeddings themselves say more.

    Attributes:
        eigen_vectors: Float array `(128, 128)`, a component a row.
        means: Float array `(128,)`, taken from the embedding first.
    """

    eigen_vectors: np.ndarray
    means: np.ndarray

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Reads Google's `vggish_pca_params.npz`.

        Raises:
            WeightsError: If the file is another.
            FileNotFoundError: If the path is not a file.
        """
        path = Path(path).expanduser()
        source = formats.read(path)
        if source.sha256 != PCA_SHA256:
            raise WeightsError(
                f"{path} is not Google's vggish_pca_params.npz and is not used: "
                f"expected sha256 {PCA_SHA256}, found {source.sha256}. Fetch it from "
                "storage.googleapis.com/audioset/vggish_pca_params.npz."
            )
        arrays = source.tensors()
        return cls(arrays["pca_eigen_vectors"], arrays["pca_means"])

    def __call__(self, embeddings: np.ndarray) -> np.ndarray:
        """Rotates, clips to [-2, 2] and rounds down to 8 bits.

        Args:
            embeddings: Float array `(..., 128)` of a `VGGish`.

        Returns:
            Uint8 array of the same shape: 0 is -2 and less, 255 is 2 and more.

        Raises:
            ValueError: If the last axis does not have the length of `means`, or
                an embedding is not finite.
        """
        embeddings = np.asarray(embeddings)
        if embeddings.ndim == 0 or embeddings.shape[-1] != self.means.size:
            raise ValueError(
                f"embeddings must have {self.means.size} features on the last axis. "
                f"Received: shape={embeddings.shape}."
            )
        if not np.isfinite(embeddings).all():
            raise ValueError("embeddings must be finite. Received: NaN or infinity.")
        components = (embeddings - self.means) @ self.eigen_vectors.T
        clipped = np.clip(components, QUANTIZE_MIN, QUANTIZE_MAX)
        steps = (clipped - QUANTIZE_MIN) * (255.0 / (QUANTIZE_MAX - QUANTIZE_MIN))
        return steps.astype("uint8")
