"""Named ways to train, with every number that they use."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, get_args

from cry_tf.heads import FITTED_HEADS, FITTED_IMBALANCES, HEADS, HeadName

Imbalance = Literal[
    "none", "class_weight", "balanced_sampling", "focal", "logit_adjustment"
]
IMBALANCES: tuple[str, ...] = get_args(Imbalance)


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
        head: `softmax`, `mlp`, `svm`, `gmm`, `logreg` or `prototype`, see
            `cry_tf.heads`. The last four are fitted in one go, on a backbone
            that stays as it came; epochs, batch, rate and dropout do not matter
            to them.
        imbalance: How rare labels count, see `cry_tf.training.imbalance`.
        focal_gamma: Of `imbalance="focal"`, 0 or more.
        augment: Name of a policy of `cry_tf.augment`, `none` for none. Only
            training clips are changed.
        augment_copies: With `trains="head"`: augmented copies of each training
            clip whose embeddings are computed once, 0 or more.
        mixup: Alpha of the Beta distribution that mixup draws from, 0 for none.
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
    head: HeadName = "softmax"
    imbalance: Imbalance = "class_weight"
    focal_gamma: float = 2.0
    augment: str = "none"
    augment_copies: int = 0
    mixup: float = 0.0
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
        for name in ("focal_gamma", "augment_copies", "mixup"):
            value = getattr(self, name)
            if not value >= 0:
                raise ValueError(
                    f"{name} must be 0 or more. Received: {name}={value!r}."
                )
        choices = {
            "trains": ("head", "all"),
            "head": tuple(HEADS),
            "imbalance": IMBALANCES,
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} must be one of {', '.join(allowed)}. "
                    f"Received: {name}={getattr(self, name)!r}."
                )
        has_copies = self.trains == "head" and self.augment != "none"
        if has_copies != (self.augment_copies > 0):
            raise ValueError(
                "augment_copies says how many augmented embeddings a clip has where "
                "the head alone is trained: at least 1 there with an augmentation, 0 "
                f"otherwise. Received: trains={self.trains!r}, "
                f"augment={self.augment!r}, augment_copies={self.augment_copies!r}."
            )
        if self.head in FITTED_HEADS:
            self._check_fitted()

    def _check_fitted(self) -> None:
        what = f"The head {self.head} is fitted in one go"
        if self.trains != "head":
            raise ValueError(
                f"{what}, on a backbone that stays as it came. Received: the recipe "
                f"{self.name}, which trains every layer. Take the recipe quick."
            )
        if self.imbalance not in FITTED_IMBALANCES:
            raise ValueError(
                f"{what}, so imbalance must be one of "
                f"{', '.join(FITTED_IMBALANCES)}. Received: "
                f"imbalance={self.imbalance!r}, which changes a training."
            )
        if self.mixup:
            raise ValueError(
                f"{what}, and cannot be given mixed labels. Received: "
                f"mixup={self.mixup!r}. Take the head softmax or mlp."
            )

    @property
    def is_fitted(self) -> bool:
        """Whether the head is fitted in one go, not trained by gradient."""
        return self.head in FITTED_HEADS

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
