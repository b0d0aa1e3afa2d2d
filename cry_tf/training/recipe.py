"""Recipes: named ways to train, with their stages and every number they use."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from cry_tf.heads import FITTED_HEADS, FITTED_IMBALANCES, HEADS, HeadName

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
        trains: `head` freezes the backbone, computes every embedding once and
            trains the head on them. `all` trains every layer.
        batch_size: Clips per step, int >= 1.
        epochs: Passes over the training clips, positive.
            With `before`, this and the five fields below are those of the last
            stage.
        learning_rate: Learning rate of Adam, positive; the highest of a schedule.
        warmup_epochs: Epochs of linear warm-up, see `Stage`.
        decay: Schedule of the learning rate, see `Stage`.
        depth_factor: Learning rate of deeper layers, see `Stage`.
        patience: Epochs without improvement before stopping; needs `validation` > 0.
        before: Stages before the last one, in their order.
        validation: Share of the training clips of each fold, in [0, 1), that are
            held out by group for early stopping. Test clips are never used for it.
            The final model is trained in the same way.
        micro_batch: Clips that are in memory at once; the gradients of several
            are averaged to a step of `batch_size`. None for the whole batch,
            `auto` for what the memory holds. Batch norm sees a micro batch.
        beta_1: Adam's first decay rate, in [0, 1).
        beta_2: Adam's second decay rate, in [0, 1).
        dropout: Share of the pooled features left out in training, in [0, 1).
        head: `softmax`, `mlp`, `svm`, `gmm`, `logreg` or `prototype`, see
            `cry_tf.heads`. The last four are fitted once, on a frozen backbone; they
            ignore epochs, batch size, learning rate and dropout.
        imbalance: How rare labels count, see `cry_tf.training.imbalance`.
        focal_gamma: Of `imbalance="focal"`, 0 or more.
        augment: Name of a policy of `cry_tf.augment`, `none` for none. Only
            training clips are changed.
        augment_copies: Augmented copies of each training clip, made once, that the
            stages `head` and `last` are trained on besides it; 0 or more. With an
            augmentation and 0, `head` is trained on the clips alone and `last` from
            the waveform, augmented anew in each epoch.
        windows: Of a detector: so many windows, drawn from the training clips as any
            recorder gets them, are what the head is trained on, see
            `cry_tf.augment.field_windows`; 0 for the clips themselves. Clips are then
            scored in windows too, as on a device.
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
    windows: int = 0
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
                "augment_copies is the number of augmented copies of a clip in the "
                "stages head and last: where the head alone is trained, at least 1 "
                "there with an augmentation, 0 without one or such a stage. Received: "
                f"trains={self.trains!r}, augment={self.augment!r}, "
                f"augment_copies={self.augment_copies!r}."
            )
        self._check_windows()
        if self.spec_augment and self.trains == "head":
            raise ValueError(
                "spec_augment hides parts of the backbone's input, so layers of it "
                f"must be trained. Received: the recipe {self.name}, which trains the "
                "head alone on computed embeddings. Take the recipe finetune or full."
            )
        if self.head in FITTED_HEADS:
            self._check_fitted()

    def _check_windows(self) -> None:
        if self.windows < 0 or self.windows == 1:
            raise ValueError(
                "windows must be 0, or a number of windows with and without a cry. "
                f"Received: windows={self.windows!r}."
            )
        is_other = self.trains != "head" or self.head in FITTED_HEADS
        is_other |= self.augment != "none" or self.mixup > 0 or self.validation > 0
        if self.windows and is_other:
            raise ValueError(
                "Drawn windows train the head alone, by gradient, and are augmented "
                f"already. Received: trains={self.trains!r}, head={self.head!r}, "
                f"augment={self.augment!r}, mixup={self.mixup:g}, "
                f"validation={self.validation:g}."
            )

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
        """Whether a stage trains on embeddings or feature maps computed once."""
        return any(stage.trains != "all" for stage in self.stages)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages in order; the last one has the fields of this recipe."""
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
# First the head on cached embeddings, so that gradients of a random head do not
# damage the pretrained backbone; then its last quarter; then all of it, at lower
# learning rates for deeper layers.
FINE_TUNE = FULL.replace(
    name="finetune",
    learning_rate=1e-4,
    epochs=10,
    warmup_epochs=1.0,
    decay="cosine",
    depth_factor=0.5,
    patience=4,
    validation=0.2,
    before=(
        Stage(trains="head", epochs=40, learning_rate=3e-3, patience=10),
        Stage(
            trains="last",
            epochs=5,
            learning_rate=3e-4,
            warmup_epochs=0.5,
            decay="cosine",
            depth_factor=0.5,
            patience=3,
        ),
    ),
)
# For detectors. Windows are many and their embeddings computed once, so that few epochs
# do. mn04 knows more other sounds than YAMNet, at a fifth of its bytes. Training its
# last quarter as well took three times as long and was no better out of fold.
FIELD = QUICK.replace(
    name="field",
    epochs=8,
    batch_size=64,
    learning_rate=1e-3,
    windows=16_000,
    imbalance="none",
    backbone="mn04_audioset",
)
# The VGGish paper: pre-emphasis and z-score before the log-mel, every layer trained,
# a softmax on the pooled 128 values. Its batch size is not given; no class weights.
VGGISH = FULL.replace(
    name="vggish",
    learning_rate=1e-4,
    epochs=30,
    dropout=0.0,
    imbalance="none",
    micro_batch="auto",
    pre_emphasis=0.97,
    z_score=True,
    backbone="vggish_audioset",
)
# The InfantCryNet paper: Adam, batch 256 on eight GPUs. Rate and epochs are not given;
# these are what fine-tuning of PANNs usually takes.
INFANTCRYNET = FULL.replace(
    name="infantcrynet",
    learning_rate=1e-4,
    epochs=30,
    batch_size=256,
    micro_batch="auto",
    dropout=0.0,
    imbalance="none",
    backbone="cnn14_16k_audioset",
)

RECIPES = {
    recipe.name: recipe
    for recipe in (QUICK, FULL, FINE_TUNE, FIELD, VGGISH, INFANTCRYNET)
}


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


def recipe_sentence(recipe: Recipe) -> str:
    """Returns a recipe in words."""
    if recipe.is_fitted:
        parts = ["the head is fitted once", f"imbalance {recipe.imbalance}"]
    else:
        parts = [
            "trains " + ", then ".join(stage.sentence for stage in recipe.stages),
            f"batch {recipe.batch_size}",
            f"Adam {recipe.beta_1:g}/{recipe.beta_2:g}",
            f"dropout {recipe.dropout:g}",
        ]
        if recipe.validation:
            parts.append(f"{recipe.validation:.0%} held out by group to stop early")
        parts.append(f"imbalance {recipe.imbalance}")
    if recipe.imbalance == "focal":
        parts[-1] += f" (gamma {recipe.focal_gamma:g})"
    if recipe.augment != "none":
        copies = f", {recipe.augment_copies} copies" if recipe.augment_copies else ""
        parts.append(f"augmentation {recipe.augment}{copies}")
    if recipe.windows:
        parts.append(f"{recipe.windows:,} drawn windows")
    if recipe.mixup:
        parts.append(f"mixup {recipe.mixup:g}")
    if recipe.spec_augment:
        parts.append("SpecAugment")
    if recipe.precision != "float32":
        parts.append(f"computed in {recipe.precision}")
    if recipe.pre_emphasis:
        parts.append(f"pre-emphasis {recipe.pre_emphasis:g}")
    if recipe.z_score:
        parts.append("z-score")
    return f"{recipe.name}: {', '.join(parts)}"
