"""The recipes: what is quantised, and how far the answers may move."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How far a TFLite file may answer from its Keras model.

    Attributes:
        max_score_difference: Largest absolute difference of any score of any
            clip, in [0, 1].
        max_mean_difference: Largest mean of the absolute differences of all
            scores of all clips, in [0, 1].
        near_tie: A changed decision whose margin in the Keras model is at most
            this is a coin toss that fell the other way: it is reported, not
            counted. The margin is the distance between the two best scores
            (`reason`) or between the score and its threshold (`detect`).
        max_flip_fraction: Largest part of the clips whose decision may change
            with a margin above `near_tie`, in [0, 1].
        max_condition_difference: How far the file may answer from itself with other
            kernels, threads and lengths, in [0, 1]. Integer kernels round each in
            their own way.
        max_reference_difference: Largest difference of the Keras model from itself
            with NumPy as its front end, in [0, 1]; that of the file comes on top.
        max_metric_drop: How far the task metric may fall, in [0, 1], where labels are
            known; it counts as fallen if the whole 95 % interval lies below.
    """

    max_score_difference: float
    max_mean_difference: float
    near_tie: float
    max_flip_fraction: float
    max_condition_difference: float = 1e-4
    max_reference_difference: float = 0.002
    max_metric_drop: float = 0.02

    def __post_init__(self) -> None:
        """Checks every field; the error names the field and its value."""
        for name, value in self.to_dict().items():
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must be in [0, 1]. Received: {name}={value}.")

    def to_dict(self) -> dict[str, float]:
        """Returns the budget as JSON types only."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, kw_only=True)
class QuantizationRecipe:
    """A named way to store the weights.

    Attributes:
        name: What users type.
        summary: One sentence for a person.
        weights: How the weights of the network are stored; those of the front end
            stay float32, and those that int8 does not suit become float16.
        activations: What lies between the layers; int8 has scales that are measured
            on representative clips.
        budget: How far the answers may move.
    """

    name: str
    summary: str
    weights: Literal["float32", "float16", "int8"]
    activations: Literal["float32", "int8"] = "float32"
    budget: Budget

    @property
    def has_int8_weights(self) -> bool:
        """Whether the weights of convolutions and dense layers are int8."""
        return self.weights == "int8"

    @property
    def needs_representative(self) -> bool:
        """Whether clips of the training data must be given."""
        return self.activations == "int8"


RECIPES: dict[str, QuantizationRecipe] = {
    recipe.name: recipe
    for recipe in (
        QuantizationRecipe(
            name="none",
            summary="float32 weights",
            weights="float32",
            # Two implementations of one float32 graph differ by rounding: 2e-6
            # on YAMNet with three trained heads.
            budget=Budget(
                max_score_difference=1e-4,
                max_mean_difference=1e-5,
                near_tie=1e-4,
                max_flip_fraction=0.0,
            ),
        ),
        QuantizationRecipe(
            name="float16",
            summary="float16 weights, computed with in float32",
            weights="float16",
            # A weight moves by at most 2^-11 of itself: 1e-3 on YAMNet's 521 scores.
            budget=Budget(
                max_score_difference=0.01,
                max_mean_difference=0.001,
                near_tie=0.01,
                max_flip_fraction=0.0,
            ),
        ),
        QuantizationRecipe(
            name="dynamic",
            summary="int8 weights of convolutions and dense layers, float16 otherwise",
            weights="int8",
            # The same heads on 34 to 40 clips not used in training: at most 0.07, on
            # average 0.003; YAMNet fine-tuned for two epochs on 64: 0.09 and 0.008. A
            # model that guesses moves more than one that knows, so single clips get
            # more room than the average, and a margin within that room is a near tie.
            budget=Budget(
                max_score_difference=0.1,
                max_mean_difference=0.01,
                near_tie=0.1,
                max_flip_fraction=0.01,
                max_condition_difference=0.05,
            ),
        ),
        QuantizationRecipe(
            name="int8",
            summary="int8 weights and activations, front end and pooling float32",
            weights="int8",
            activations="int8",
            # Half as much again as `dynamic`: activations are rounded, too.
            budget=Budget(
                max_score_difference=0.15,
                max_mean_difference=0.015,
                near_tie=0.15,
                max_flip_fraction=0.02,
                max_condition_difference=0.08,
            ),
        ),
    )
}


def get(name: str) -> QuantizationRecipe:
    """Returns the recipe of that name.

    Raises:
        ValueError: If there is none; the message lists the names.
    """
    if name not in RECIPES:
        raise ValueError(
            f"quantize must be one of {', '.join(RECIPES)}. Received: {name!r}."
        )
    return RECIPES[name]
