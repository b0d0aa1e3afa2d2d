"""A way to train, with every number that it uses."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from cry_tf.heads import FITTED_HEADS, FITTED_IMBALANCES, HEADS, HeadName
from cry_tf.training.stage import Decay, Stage

Imbalance = Literal[
    "none", "class_weight", "balanced_sampling", "focal", "logit_adjustment"
]
IMBALANCES: tuple[str, ...] = get_args(Imbalance)
Precision = Literal["float32", "bfloat16"]
PRECISIONS: tuple[str, ...] = get_args(Precision)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a model is trained.

    Attributes:
        name: What `--recipe` calls it.
        trains: `head` keeps the backbone as it came, computes every embedding
            once and trains the head on them. `all` trains every layer, from
            the waveform on.
        batch_size: Clips a step, positive.
        epochs: Passes over the training clips, positive.
            With `before`, this and the five fields below are those of the last
            stage.
        learning_rate: Of Adam, positive; the highest one where it changes.
        warmup_epochs: See `Stage`.
        decay: See `Stage`.
        depth_factor: See `Stage`.
        patience: See `Stage`; it takes a `validation` above 0.
        before: Stages before the last one, in their order.
        validation: Share of the training clips of each fold, in [0, 1), that are
            held out by group to see when to stop. The test clips have no part in
            it. The final model is trained in the same way.
        micro_batch: Clips that are in memory at once; the gradients of several
            are averaged to a step of `batch_size`. None for the whole batch,
            `auto` for what the memory holds. Batch norm sees a micro batch.
        beta_1: Of Adam, in [0, 1).
        beta_2: Of Adam, in [0, 1).
        dropout: Share of the pooled features left out in training, in [0, 1).
        head: `softmax`, `mlp`, `svm`, `gmm`, `logreg` or `prototype`, see
            `cry_tf.heads`. The last four are fitted in one go, on a backbone
            that stays as it came; epochs, batch, rate and dropout do not matter
            to them.
        imbalance: How rare labels count, see `cry_tf.training.imbalance`.
        focal_gamma: Of `imbalance="focal"`, 0 or more.
        augment: Name of a policy of `cry_tf.augment`, `none` for none. Only
            training clips are changed.
        augment_copies: Augmented copies of each training clip, made once, that the
            stages `head` and `last` are trained on besides it; 0 or more. With an
            augmentation and 0, `head` is trained on the clips alone and `last` from
            the waveform, augmented anew in each epoch.
        mixup: Alpha of the Beta distribution that mixup draws from, 0 for none.
        spec_augment: True hides stretches of time and bands of the spectrogram in
            training, see `cry_tf.layers.SpecAugment`; where layers are trained from
            the waveform on. Scoring and saved models hide nothing.
        max_seconds: A longer clip trains on its first seconds only, positive,
            so that one long recording does not fill the memory. It is always
            scored whole.
        pre_emphasis: Share of the sample before that is taken from each, in the
            model's front end, in [0, 1); for backbones that take it.
        z_score: True normalises each clip to mean 0 and deviation 1 in the front
            end; for backbones that take it.
        precision: With `trains="all"`: `bfloat16` computes the backbone's layers in
            bfloat16 while it trains and where held-out clips are scored, faster on
            a processor that has it. Front end, statistics, head, weights and the
            saved model are float32 all the same.
        backbone: The preset that `--backbone` takes if it is not given; None for
            the usual one.
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
    spec_augment: bool = False
    max_seconds: float = 30.0
    warmup_epochs: float = 0.0
    decay: Decay = "none"
    depth_factor: float = 1.0
    patience: int = 0
    before: tuple[Stage, ...] = ()
    validation: float = 0.0
    micro_batch: int | Literal["auto"] | None = None
    beta_1: float = 0.9
    beta_2: float = 0.999
    pre_emphasis: float = 0.0
    z_score: bool = False
    precision: Precision = "float32"
    backbone: str | None = None

    def __post_init__(self) -> None:
        """Checks every field; the error names the field and its value."""
        for name in ("epochs", "batch_size", "learning_rate", "max_seconds"):
            value = getattr(self, name)
            if not value > 0:
                raise ValueError(
                    f"{name} must be positive. Received: {name}={value!r}."
                )
        names = ("dropout", "validation", "pre_emphasis", "beta_1", "beta_2")
        for name in names:
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(
                    f"{name} must be in [0, 1). "
                    f"Received: {name}={getattr(self, name)!r}."
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
            "precision": PRECISIONS,
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} must be one of {', '.join(allowed)}. "
                    f"Received: {name}={getattr(self, name)!r}."
                )
        if self.precision != "float32" and self.trains == "head":
            raise ValueError(
                "precision is for recipes that train every layer: a head alone is not "
                f"faster. Received: precision={self.precision!r}, trains='head'."
            )
        self._check_stages()
        may_have = self.has_computed_stage and self.augment != "none"
        must_have = may_have and self.trains == "head"
        if not must_have <= (self.augment_copies > 0) <= may_have:
            raise ValueError(
                "augment_copies says how many augmented copies a clip has in the "
                "stages head and last: where the head alone is trained, at least 1 "
                "there with an augmentation, 0 without one or such a stage. Received: "
                f"trains={self.trains!r}, augment={self.augment!r}, "
                f"augment_copies={self.augment_copies!r}."
            )
        if self.spec_augment and self.trains == "head":
            raise ValueError(
                "spec_augment hides parts of what the backbone hears, so layers of it "
                f"must be trained. Received: the recipe {self.name}, which trains the "
                "head alone on computed embeddings. Take the recipe finetune or full."
            )
        if self.head in FITTED_HEADS:
            self._check_fitted()

    def _check_stages(self) -> None:
        object.__setattr__(self, "before", tuple(self.before))
        if self.before and self.trains != "all":
            raise ValueError(
                "before names stages that lead up to training every layer. Received: "
                f"trains={self.trains!r}, {len(self.before)} stages before."
            )
        places = [("head", "last", "all").index(s.trains) for s in self.stages]
        if places != sorted(places):
            raise ValueError(
                "Stages go from the head to every layer. Received: "
                f"{', '.join(stage.trains for stage in self.stages)}."
            )
        if any(stage.patience for stage in self.stages) and not self.validation:
            raise ValueError(
                "patience waits for the validation loss, so validation must be above "
                f"0. Received: patience={self.patience!r}, validation=0."
            )
        micro = self.micro_batch
        if micro not in (None, "auto") and not (
            isinstance(micro, int) and micro > 0 and self.batch_size % micro == 0
        ):
            raise ValueError(
                "micro_batch must be auto, or a positive number that divides "
                f"batch_size={self.batch_size}. Received: micro_batch={micro!r}."
            )

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

    @property
    def has_computed_stage(self) -> bool:
        """Whether a stage trains on what a frozen part computed once."""
        return any(stage.trains != "all" for stage in self.stages)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """What is trained one after the other; the last one is `trains`."""
        last = Stage(
            **{field.name: getattr(self, field.name) for field in fields(Stage)}
        )
        return (*self.before, last)

    def replace(self, **changes: Any) -> Recipe:
        """Returns a copy with some fields changed, checked again."""
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Returns the recipe as JSON types only."""
        return dataclasses.asdict(self) | {
            "before": [dataclasses.asdict(stage) for stage in self.before]
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """Returns the recipe that `to_dict` gave.

        Raises:
            ValueError: If a field is not known to this version, or out of range.
        """
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(
                "A recipe has the fields of this version of cry-tf. Received: "
                f"{', '.join(unknown)}, which it does not know."
            )
        stages = tuple(Stage(**stage) for stage in values.get("before", ()))
        return cls(**{**values, "before": stages})
