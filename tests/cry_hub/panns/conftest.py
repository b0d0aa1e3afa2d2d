"""What PANNs' own PyTorch code computes, on weights drawn by a recipe.

`tests/golden/*.npz` hold the outputs; the weights are drawn again here, so that no
weight file is needed.
"""

from __future__ import annotations

import functools
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

GOLDEN = Path(__file__).parents[2] / "golden"


@dataclass(frozen=True)
class Original:
    """A network of PANNs under the name of its class there (`Cnn10`)."""

    name: str

    @functools.cached_property
    def expected(self) -> dict[str, np.ndarray]:
        """What it gave: log-mel, means of its blocks, outputs."""
        with np.load(GOLDEN / f"{self.name}.npz") as file:
            return {name: file[name] for name in file.files}

    @functools.cached_property
    def waveform(self) -> np.ndarray:
        """What it heard, `(2, samples)`."""
        rate, seed = int(self.expected["sample_rate_hz"]), int(self.expected["seed"])
        seconds = float(self.expected["seconds"])
        first, second = (recipe_waveform(seed + i, seconds, rate) for i in (0, 1))
        return np.stack((first, np.float32(0.05) * second))

    @functools.cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Every tensor of its checkpoint."""
        text = (GOLDEN / "panns_state_dict_shapes.json").read_text("utf-8")
        return {
            name: tuple(shape) for name, shape in json.loads(text)[self.name].items()
        }

    def tensors(self) -> dict[str, np.ndarray]:
        """Its weights, but for the front end's matrices."""
        return {
            name: self.tensor(name)
            for name in self.shapes
            if not name.startswith(("spectrogram_extractor", "logmel_extractor"))
        }

    def tensor(self, name: str) -> np.ndarray:
        """One of its weights."""
        return recipe_tensor(name, self.shapes[name], int(self.expected["seed"]))


@pytest.fixture(scope="session")
def original() -> Any:
    """The networks of PANNs by their names there: `original("Cnn10")`."""
    return functools.cache(Original)


def recipe_tensor(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, "int64")
    if name == "bn0.running_var":
        return (400 * (0.5 + rng.random(shape))).astype("float32")
    if name.endswith("running_var"):
        return (0.5 + rng.random(shape)).astype("float32")
    normal = rng.standard_normal(shape)
    if name == "bn0.running_mean":
        return (-30 + 5 * normal).astype("float32")
    if name.endswith(("running_mean", "bias")):
        return (0.1 * normal).astype("float32")
    if len(shape) == 1:
        return (1 + 0.1 * normal).astype("float32")
    return (normal * np.sqrt(2 / np.prod(shape[1:]))).astype("float32")


def recipe_waveform(seed: int, seconds: float, rate: int) -> np.ndarray:
    rng = np.random.default_rng([seed, round(seconds * 1000), rate])
    time_s = np.arange(round(seconds * rate)) / rate
    f0 = 430 + 60 * np.sin(2 * np.pi * 0.9 * time_s)
    f0 += 20 * np.sin(2 * np.pi * 5 * time_s)
    phase = 2 * np.pi * np.cumsum(f0) / rate
    tone = sum(np.sin(k * phase) / k for k in range(1, 9))
    loudness = 0.2 * np.clip(np.sin(2 * np.pi * 0.8 * time_s), 0, None)
    noise = 0.01 * rng.standard_normal(len(time_s))
    return (loudness * tone + noise).astype("float32")
