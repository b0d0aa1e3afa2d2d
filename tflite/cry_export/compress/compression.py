"""What `--compress` asks for, and how the network learns to live with it."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

EXAMPLES = "prune=0.8, cluster=16 or qat"
MAX_CLUSTERS = 256
# Smaller kernels are left as they are: next to nothing is gained in them, and a
# first layer or a small head feels it most. The limit below which TFLiteConverter
# leaves weights float, too.
MIN_ELEMENTS = 1024


@dataclass(frozen=True)
class Compression:
    """One way to compress the weights of a network.

    Attributes:
        name: `prune` sets the smallest weights to zero, `cluster` lets a layer have
            few different ones, `qat` trains the network to run in int8.
        sparsity: Of `prune`: the share of zeros in each kernel, in (0, 1).
        clusters: Of `cluster`: how many values a kernel holds, 2 to 256.
    """

    name: str
    sparsity: float | None = None
    clusters: int | None = None

    def __post_init__(self) -> None:
        """Checks that name and amount belong together."""
        has = (self.sparsity is not None, self.clusters is not None)
        if has != {
            "prune": (True, False),
            "cluster": (False, True),
            "qat": (False, False),
        }.get(self.name):
            raise ValueError(
                f"A compression must be one of {EXAMPLES}. Received: "
                f"name={self.name!r}, sparsity={self.sparsity}, "
                f"clusters={self.clusters}."
            )
        if self.sparsity is not None and not 0 < self.sparsity < 1:
            raise ValueError(
                "prune must be the share of weights to set to zero, between 0 and 1, "
                f"as in prune=0.8. Received: prune={self.sparsity:g}."
            )
        if self.clusters is not None and not 2 <= self.clusters <= MAX_CLUSTERS:
            raise ValueError(
                f"cluster must be how many values a layer may have, 2 to "
                f"{MAX_CLUSTERS}, as in cluster=16. Received: "
                f"cluster={self.clusters}."
            )

    @classmethod
    def parse(cls, text: str) -> Compression:
        """Reads `prune=0.8`, `cluster=16` or `qat`.

        Raises:
            ValueError: If it is none of them.
        """
        name, has_amount, amount = text.strip().partition("=")
        try:
            if name == "prune" and has_amount:
                return cls(name, sparsity=float(amount))
            if name == "cluster" and has_amount:
                return cls(name, clusters=int(amount))
        except ValueError as error:
            if "Received" in str(error):
                raise
        else:
            if name == "qat" and not has_amount:
                return cls(name)
        raise ValueError(f"compress must be one of {EXAMPLES}. Received: {text!r}.")

    def __str__(self) -> str:
        """Returns what `parse` reads."""
        if self.sparsity is not None:
            return f"prune={self.sparsity:g}"
        return self.name if self.clusters is None else f"cluster={self.clusters}"


@dataclass(frozen=True)
class FineTuning:
    """How the compressed network is trained.

    It learns the scores of the network before compression: labels are not needed, and
    thresholds and calibration stay valid.

    Attributes:
        epochs: Int >= 1, passes over the clips. Default: 10.
        learning_rate: Float > 0, Adam's at the start; it falls to a tenth along a
            cosine. Default: 1e-4.
        batch_size: Int >= 1, clips per step. Default: 16.
        seed: Int, seed of the order of the clips. Default: 0.
    """

    epochs: int = 10
    learning_rate: float = 1e-4
    batch_size: int = 16
    seed: int = 0

    @classmethod
    def of(cls, compression: Compression, epochs: int | None = None) -> FineTuning:
        """Returns the default fine-tuning of a compression.

        Args:
            compression: The compression.
            epochs: Int >= 1, passes over the clips. None takes the default.
        """
        chosen = cls()
        if compression.name == "prune":  # what is gone takes long ways to make up for
            chosen = dataclasses.replace(chosen, learning_rate=1e-3)
        return chosen if epochs is None else dataclasses.replace(chosen, epochs=epochs)

    def __post_init__(self) -> None:
        """Checks every field; the error names the field and its value."""
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"{name} must be at least 1. Received: "
                    f"{name}={getattr(self, name)}."
                )
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise ValueError(
                "learning_rate must be positive. Received: "
                f"learning_rate={self.learning_rate}."
            )
