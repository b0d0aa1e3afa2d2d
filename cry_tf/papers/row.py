"""A line of a paper's table: what they printed, and what it takes to repeat it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MEASURES = ("accuracy", "precision", "recall", "f1")
FILES = ("", "none", "dynamic")


@dataclass(frozen=True)
class Figure:
    """A number that a paper prints.

    Attributes:
        measure: One of `MEASURES`.
        value: A share in [0, 1].
        digits: Decimals as printed: of percent for an accuracy, else of the share.
    """

    measure: str
    value: float
    digits: int


@dataclass(frozen=True)
class Experiment:
    """What is trained and scored; rows with the same one share its result.

    Attributes:
        task: `detect` or `reason`.
        preset: Backbone.
        weights: `pretrained`, or None for random ones.
        pooling: Name of the pooling layer.
        recipe: Name of the recipe.
        classical: Name of a classical method that takes the network's place, or "".
        exports: Whether each fold's model becomes a file as well.
        teacher: Name of the row whose network, trained on the same folds, is the
            teacher of this one, or "" for the labels alone.
    """

    task: Literal["detect", "reason"]
    preset: str
    weights: Literal["pretrained"] | None
    pooling: str
    recipe: str
    classical: str = ""
    exports: bool = False
    teacher: str = ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of a table.

    Attributes:
        paper: `infantcrynet` or `vggish`.
        table: As the paper calls it, such as `Table 3`.
        name: What `--rows` calls it; unique within the paper.
        title: As the paper prints it, but for its "(ours)", which stands beside
            figures of ours here.
        figures: What the paper prints, empty for a row of ours.
        size: The model's size as the paper prints it, or "".
        part: What of the result the row shows: `all`, `folds` (the mean over
            them), `fold:1`, `label:hunger` or `weighted` (the mean over labels,
            each by its clips).
        file: "" for the model in memory; `none` or `dynamic` for the `.tflite` of
            that quantization, whose size is then given.
        task: `detect` or `reason`, see `Experiment`.
        preset: Backbone, see `Experiment`.
        weights: Weights of the backbone, see `Experiment`.
        pooling: Pooling, see `Experiment`.
        recipe: Training recipe, see `Experiment`.
        classical: Classical method, see `Experiment`.
        exports: Export recipes, see `Experiment`.
        teacher: Row of the teacher, see `Experiment`.
    """

    paper: Literal["infantcrynet", "vggish"]
    table: str
    name: str
    title: str
    figures: tuple[Figure, ...]
    preset: str
    recipe: str
    task: Literal["detect", "reason"] = "reason"
    weights: Literal["pretrained"] | None = "pretrained"
    pooling: str = "statistic"
    classical: str = ""
    exports: bool = False
    teacher: str = ""
    size: str = ""
    part: str = "all"
    file: Literal["", "none", "dynamic"] = ""

    def __post_init__(self) -> None:
        """Checks what no type checker sees."""
        if self.file not in FILES:
            raise ValueError(
                f"file must be one of {FILES}. Received: file={self.file!r}."
            )
        if self.file and not self.exports:
            raise ValueError(
                f"A row about a file must export it. Received: {self.name!r} with "
                "exports=False."
            )
        for figure in self.figures:
            if figure.measure not in MEASURES or not 0 <= figure.value <= 1:
                raise ValueError(
                    f"A figure is a share of {', '.join(MEASURES)}. Received: {figure}."
                )

    @property
    def experiment(self) -> Experiment:
        """What has to be trained for this row."""
        return Experiment(
            task=self.task,
            preset=self.preset,
            weights=self.weights,
            pooling=self.pooling,
            recipe=self.recipe,
            classical=self.classical,
            exports=self.exports,
            teacher=self.teacher,
        )

    @property
    def measures(self) -> tuple[str, ...]:
        """What is shown, also where the paper printed nothing."""
        if self.figures:
            return tuple(figure.measure for figure in self.figures)
        is_accuracy = self.part in ("all", "folds") or self.part.startswith("fold:")
        return ("accuracy",) if is_accuracy else ("precision", "recall", "f1")


def percent(value: float) -> Figure:
    """Returns an accuracy that is printed in percent, such as 99.8 or 74.73."""
    digits = len(f"{value}".partition(".")[2])
    return Figure("accuracy", round(value / 100, digits + 2), digits)
