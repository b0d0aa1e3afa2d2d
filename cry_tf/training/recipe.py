"""Named ways to train, with every number that they use."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a model is trained.

    Attributes:
        name: What `--recipe` calls it.
        trains: `head` keeps the backbone as it came, computes every embedding
            once and trains the head on them. `all` trains every layer, from
            the waveform on.
        epochs: Passes over the training clips, positive.
        batch_size: Clips a step, positive.
        learning_rate: Of Adam, positive.
        dropout: Share of the pooled features left out in training, in [0, 1).
        class_weight: `balanced` weighs a clip by the inverse of its label's
            share of the training fold, so that each label counts the same;
            `none` lets common labels count more.
        max_seconds: A longer clip trains on its first seconds only, positive,
            so that one long recording does not fill the memory. It is always
            scored whole.
    """

    name: str
    trains: Literal["head", "all"]
    epochs: int
    batch_size: int
    learning_rate: float
    dropout: float = 0.0
    class_weight: Literal["balanced", "none"] = "balanced"
    max_seconds: float = 30.0

    def __post_init__(self) -> None:
        """Checks every field; the error names the field and its value."""
        for name in ("epochs", "batch_size", "learning_rate", "max_seconds"):
            value = getattr(self, name)
            if not value > 0:
                raise ValueError(
                    f"{name} must be positive. Received: {name}={value!r}."
                )
        if not 0 <= self.dropout < 1:
            raise ValueError(
                f"dropout must be in [0, 1). Received: dropout={self.dropout!r}."
            )
        choices = {"trains": ("head", "all"), "class_weight": ("balanced", "none")}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} must be one of {', '.join(allowed)}. "
                    f"Received: {name}={getattr(self, name)!r}."
                )

    def replace(self, **changes: Any) -> Recipe:
        """Returns a copy with some fields changed, checked again."""
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Returns the recipe as JSON types only."""
        return dataclasses.asdict(self)


# YAMNet's embeddings are sparse and small (86 % zeros, standard deviation 0.33): at
# Adam's usual 1e-3 the training loss is still falling steeply after 50 epochs.
QUICK = Recipe(
    name="quick",
    trains="head",
    epochs=50,
    batch_size=32,
    learning_rate=3e-3,
    dropout=0.2,
)
# From random weights; minutes to hours on a CPU.
FULL = Recipe(
    name="full",
    trains="all",
    epochs=30,
    batch_size=32,
    learning_rate=1e-3,
    dropout=0.2,
)
# The VGGish paper and most fine-tuning: a tenth of the rate, so that pretrained
# layers are adjusted and not overwritten.
FINE_TUNE = FULL.replace(name="finetune", learning_rate=1e-4)

RECIPES = {recipe.name: recipe for recipe in (QUICK, FULL, FINE_TUNE)}


def get(name: str) -> Recipe:
    """Returns the recipe of that name.

    Raises:
        ValueError: If there is none; the message lists them.
    """
    if name not in RECIPES:
        raise ValueError(
            f"recipe must be one of {', '.join(RECIPES)}. Received: recipe={name!r}."
        )
    return RECIPES[name]


def default_name(weights: str | None) -> str:
    """Returns `quick` for pretrained weights, `full` for random ones (None)."""
    return "full" if weights is None else "quick"
