"""Settings of a training run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from cry_tf.training.recipe import Recipe

# Not in `devices`: a command's help needs them, and that module imports TensorFlow.
StrategyName = Literal["auto", "mirrored", "multiworker", "none"]
STRATEGIES: tuple[str, ...] = get_args(StrategyName)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that decides a run, besides the data.

    Attributes:
        task: `detect` (whether a baby cries) or `reason` (why).
        recipe: How to train.
        backbone: Name of a preset.
        weights: `pretrained` (fetched if none are installed), the path of a
            file, or None for random weights.
        pooling: Name of the pooling layer.
        folds: Number of cross-validation folds, at least 2.
        seed: Draws folds, first weights, order of clips and dropout.
        positive: For `detect`, the labels that mean a cry; None takes the
            well-known names.
        bandwidth: `auto` removes what not every clip can hold, None removes
            nothing, a float removes everything above that many Hz.
        baselines: Whether classical methods are measured on the same folds.
        noise: Folder of sounds that augmentation mixes in, or None.
        events: File with the times of crying in recordings, see
            `cry_tf.data.event_files`, for a recipe that draws windows; None takes
            where a recording with a cry is loud.
        min_recall: For `detect`, the share of cries, in (0, 1], that the threshold
            should find; it is set on out-of-fold scores. None takes 0.95.
        strategy: Which devices train, see `cry_tf.training.devices`.
        leave_domains_out: Whether a detector is also trained once without each
            recorder or data set, and tested on it. None does so where that is cheap,
            see `cry_tf.training.domain_folds`.
    """

    task: Literal["detect", "reason"]
    recipe: Recipe
    backbone: str = "yamnet_audioset"
    weights: str | None = "pretrained"
    pooling: str = "statistic"
    folds: int = 5
    seed: int = 0
    positive: tuple[str, ...] | None = None
    bandwidth: Literal["auto"] | float | None = "auto"
    baselines: bool = True
    noise: str | None = None
    events: str | None = None
    min_recall: float | None = None
    strategy: StrategyName = "none"
    leave_domains_out: bool | None = None

    def __post_init__(self) -> None:
        """Checks what can be checked without the data."""
        if self.task not in ("detect", "reason"):
            raise ValueError(
                f"task must be detect or reason. Received: task={self.task!r}."
            )
        if self.folds < 2:
            raise ValueError(
                f"folds must be at least 2. Received: folds={self.folds!r}."
            )
        if self.strategy not in STRATEGIES:
            raise ValueError(
                f"strategy must be one of {', '.join(STRATEGIES)}. "
                f"Received: strategy={self.strategy!r}."
            )
        if self.min_recall is not None and not 0 < self.min_recall <= 1:
            raise ValueError(
                "min_recall must be in (0, 1]. Received: "
                f"min_recall={self.min_recall!r}."
            )
        if self.seed < 0:
            raise ValueError(f"seed must be 0 or more. Received: seed={self.seed!r}.")
        if self.positive is not None and self.task != "detect":
            raise ValueError(
                "positive names the labels that mean a cry, for task=detect. "
                f"Received: task={self.task!r}."
            )
        if self.leave_domains_out and self.task != "detect":
            raise ValueError(
                f"leave_domains_out is for task=detect. Received: task={self.task!r}."
            )
        if self.noise is not None and self.recipe.augment == "none":
            raise ValueError(
                "noise is mixed in by an augmentation. Received: "
                f"noise={self.noise!r}, augment='none'. Add --augment light."
            )
        if self.recipe.windows and self.task != "detect":
            raise ValueError(
                f"The recipe {self.recipe.name} draws windows with and without a cry, "
                f"for task=detect. Received: task={self.task!r}. Use the recipe quick "
                "or finetune."
            )
        if self.recipe.trains == "head" and self.weights is None:
            raise ValueError(
                f"The recipe {self.recipe.name} trains the head alone, on a pretrained "
                "backbone. Received: weights=None. Use the recipe full, or give "
                "weights."
            )

    def to_dict(self) -> dict[str, Any]:
        """Returns the settings as JSON types only."""
        return dataclasses.asdict(self) | {"recipe": self.recipe.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Settings:
        """Returns the settings that `to_dict` gave, as a run's `config.json` has them.

        Raises:
            ValueError: If a field is not known to this version, or out of range.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown or not {"task", "recipe"} <= set(values):
            raise ValueError(
                "Settings have the fields of this version of cry-tf, task and recipe "
                f"among them. Received: {', '.join(sorted(values))}."
            )
        positive = values.get("positive")
        changes = {
            "recipe": Recipe.from_dict(values["recipe"]),
            "positive": None if positive is None else tuple(positive),
        }
        return cls(**{**values, **changes})
