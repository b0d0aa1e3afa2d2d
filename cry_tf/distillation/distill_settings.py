"""Settings of a distillation."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cry_tf.distillation import schedule
from cry_tf.training.recipe import FULL
from cry_tf.training.settings import Settings

# From random weights, as `full`; the rate falls, since soft labels allow more epochs.
RECIPE = FULL.replace(name="distill", warmup_epochs=1.0, decay="cosine")
# Classes weigh by sample weights, or by how often they are shown.
_IMBALANCES = ("class_weight", "balanced_sampling", "none")


@dataclass(frozen=True, kw_only=True)
class DistillSettings:
    """Everything that decides a distillation, besides data and teachers.

    Attributes:
        student: How the student is built and trained. Its recipe trains every
            layer in one stage.
        temperature: Divides the logits of teacher and student, positive.
        alpha: Share of the labels in the loss, in [0, 1].
        teacher_weights: One number of at least 0 a teacher, None for equal ones.
        copies: Augmented copies of each clip, made once; 0 without augmentation.
        filter: Whether unlabelled windows enter with the label of which the
            teachers are sure; the others are left out. False lets all enter
            without a label.
        filter_precision: How often a label that the filter gives should be right, in
            (0, 1).
        windows: So many windows, drawn from the recordings as any recorder gets them,
            take the place of the recordings, see `cry_tf.augment.field_windows`; 0
            for none. They are of a detector, and augmented already.
        window_s: Length into which unlabelled recordings are cut, seconds.
        alone: Whether the student is trained without a teacher too.
        quantized: Whether each fold's model is evaluated as a dynamic-range file too.
    """

    student: Settings
    temperature: float = 4.0
    alpha: float = 0.3
    teacher_weights: tuple[float, ...] | None = None
    copies: int = 0
    filter: bool = False
    filter_precision: float = 0.95
    windows: int = 0
    window_s: float = 3.0
    alone: bool = True
    quantized: bool = True

    def __post_init__(self) -> None:
        """Checks what can be checked without data and teachers."""
        schedule.check("temperature", self.temperature)
        schedule.check("alpha", self.alpha)
        recipe = self.student.recipe
        if recipe.trains != "all" or recipe.before or recipe.depth_factor != 1:
            raise ValueError(
                "A student trains every layer in one stage. Received: the recipe "
                f"{recipe.name}. Take {RECIPE.name} or full."
            )
        if recipe.imbalance not in _IMBALANCES or recipe.mixup or recipe.validation:
            raise ValueError(
                "A distillation has its own loss: imbalance is one of "
                f"{', '.join(_IMBALANCES)}, without mixup and validation. Received: "
                f"imbalance={recipe.imbalance!r}, mixup={recipe.mixup:g}, "
                f"validation={recipe.validation:g}."
            )
        if recipe.spec_augment or recipe.precision != "float32":
            raise ValueError(
                "A student is trained in float32, without SpecAugment. Received: "
                f"precision={recipe.precision!r}, spec_augment={recipe.spec_augment}."
            )
        if self.copies < 0 or (self.copies > 0) != (recipe.augment != "none"):
            raise ValueError(
                "copies is the number of augmented copies of a clip: at least 1 with "
                f"an augmentation, 0 without. Received: augment={recipe.augment!r}, "
                f"copies={self.copies}."
            )
        is_other = self.student.task != "detect" or self.copies > 0
        if self.windows < 0 or (self.windows and is_other):
            raise ValueError(
                "windows is the number of windows that a detector is distilled on, "
                "which are augmented already. Received: "
                f"windows={self.windows}, task={self.student.task!r}, "
                f"copies={self.copies}."
            )
        if self.student.events is not None and not self.windows:
            raise ValueError(
                "Times of crying say where windows with a cry are drawn. Received: "
                f"events={self.student.events!r} and windows=0. Give --windows."
            )
        if not 0 < self.filter_precision < 1:
            raise ValueError(
                "filter_precision must be in (0, 1). Received: "
                f"filter_precision={self.filter_precision}."
            )
        if not self.window_s >= 1:
            raise ValueError(
                f"window_s must be at least 1 second. Received: {self.window_s}."
            )

    def to_dict(self) -> dict[str, Any]:
        """Returns the settings as JSON types only."""
        found = {
            field.name: getattr(self, field.name) for field in dataclasses.fields(self)
        }
        weights = self.teacher_weights
        return found | {
            "student": self.student.to_dict(),
            "teacher_weights": None if weights is None else list(weights),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DistillSettings:
        """Returns the settings that `to_dict` gave."""
        weights = values["teacher_weights"]
        values = dict(values)
        if "precision" in values:  # its name in version 0.1.0
            values["filter_precision"] = values.pop("precision")
        return cls(
            **{
                **values,
                "student": Settings.from_dict(values["student"]),
                "teacher_weights": None if weights is None else tuple(weights),
            }
        )
