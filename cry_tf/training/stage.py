"""One stage of a training: what is trained, how long, at which learning rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

Trains = Literal["head", "last", "all"]
Decay = Literal["none", "cosine"]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """How a part of a model is trained for some epochs.

    Attributes:
        trains: `head` trains what follows the backbone, on embeddings that are
            computed once. `last` trains the last quarter of the backbone's layers
            and the head, on feature maps that the first layers compute once: they
            are frozen, batch norm included. `all` trains every layer.
        epochs: Passes over the training clips, positive.
        learning_rate: Of the head, positive; the highest one where it changes.
        warmup_epochs: Over so many epochs the rate rises in a line from 0, 0 or
            more.
        decay: `cosine` lets the rate fall to 0 at the end of the stage.
        depth_factor: In (0, 1]. The last quarter of the backbone's layers has this
            share of the head's rate, the quarter before it the square, and so on.
        patience: Ends the stage after so many epochs without a lower validation
            loss, and puts the best weights back; 0 for neither.
    """

    trains: Trains
    epochs: int
    learning_rate: float
    warmup_epochs: float = 0.0
    decay: Decay = "none"
    depth_factor: float = 1.0
    patience: int = 0

    def __post_init__(self) -> None:
        """Checks every field; the error names the field and its value."""
        for name in ("epochs", "learning_rate"):
            value = getattr(self, name)
            if not value > 0:
                raise ValueError(
                    f"{name} must be positive. Received: {name}={value!r}."
                )
        for name in ("warmup_epochs", "patience"):
            value = getattr(self, name)
            if not value >= 0:
                raise ValueError(
                    f"{name} must be 0 or more. Received: {name}={value!r}."
                )
        if not 0 < self.depth_factor <= 1:
            raise ValueError(
                "depth_factor must be in (0, 1]. Received: "
                f"depth_factor={self.depth_factor!r}."
            )
        for name, allowed in (("trains", get_args(Trains)), ("decay", get_args(Decay))):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} must be one of {', '.join(allowed)}. "
                    f"Received: {name}={getattr(self, name)!r}."
                )

    def rate_at(self, epochs_done: float) -> float:
        """Returns the learning rate after so many epochs.

        Args:
            epochs_done: Float in [0, epochs]; in the middle of an epoch it has a
                fraction.
        """
        if epochs_done < self.warmup_epochs:
            return self.learning_rate * epochs_done / self.warmup_epochs
        if self.decay == "none":
            return self.learning_rate
        left = max(self.epochs - self.warmup_epochs, 1e-9)
        share = min(1.0, (epochs_done - self.warmup_epochs) / left)
        return self.learning_rate * (1 + math.cos(math.pi * share)) / 2

    @property
    def sentence(self) -> str:
        """The stage in words, for records and reports."""
        words = f"{self.trains} {self.epochs} epochs at {self.learning_rate:g}"
        if self.depth_factor != 1:
            words += f", {self.depth_factor:g} of it a quarter deeper"
        if self.warmup_epochs:
            words += f", warm-up {self.warmup_epochs:g} epochs"
        if self.decay != "none":
            words += f", {self.decay} decay"
        if self.patience:
            words += f", patience {self.patience}"
        return words
