"""Training budgets of a reproduction."""

from __future__ import annotations

from dataclasses import dataclass

from cry_tf.papers.row import Row
from cry_tf.training import recipe as recipes
from cry_tf.training.recipe import Precision, Recipe
from cry_tf.training.settings import Settings

FOLDS = 5


@dataclass(frozen=True)
class TrainingBudget:
    """Limits on a training; None does not limit.

    Attributes:
        name: What `--budget` calls it.
        epochs: Most epochs.
        folds: Most folds, at least 2. Rows that are folds themselves keep theirs.
        max_seconds: Most seconds of a clip that are trained on.
        clips: Most clips that are trained and tested on, drawn by `clips.drawn`.
        batch_size: Most clips a step: in few epochs, smaller steps are more steps.
        precision: `bfloat16` computes so where every layer is trained; None keeps
            the recipe's.
    """

    name: str
    epochs: int | None = None
    folds: int | None = None
    max_seconds: float | None = None
    clips: int | None = None
    batch_size: int | None = None
    precision: Precision | None = None

    def recipe(self, asked: Recipe) -> Recipe:
        """Returns the recipe within the limits."""
        trains_all = asked.trains == "all"
        return asked.replace(
            epochs=min(asked.epochs, self.epochs or asked.epochs),
            max_seconds=min(asked.max_seconds, self.max_seconds or asked.max_seconds),
            batch_size=min(asked.batch_size, self.batch_size or asked.batch_size),
            precision=(trains_all and self.precision) or asked.precision,
        )

    def sentence(self, asked: Recipe, folds: int, of_folds: int) -> str:
        """Returns what was left out, such as `small budget: 3 of 30 epochs`."""
        taken = self.recipe(asked)
        parts = []
        if taken.epochs < asked.epochs:
            parts.append(f"{taken.epochs} of {asked.epochs} epochs")
        if folds < of_folds:
            parts.append(f"{folds} of {of_folds} folds")
        if taken.max_seconds < asked.max_seconds:
            parts.append(
                f"trained on at most {taken.max_seconds:g} s of a clip, not "
                f"{asked.max_seconds:g} s"
            )
        if taken.batch_size < asked.batch_size:
            parts.append(f"{taken.batch_size} clips a step, not {asked.batch_size}")
        if taken.precision != asked.precision:
            parts.append(f"computed in {taken.precision}")
        if not parts:
            return ""
        return f"{self.name} budget, recipe {asked.name}: {', '.join(parts)}"


BUDGETS = {
    budget.name: budget
    for budget in (
        TrainingBudget(
            "tiny", epochs=2, folds=2, max_seconds=1.0, clips=240, batch_size=16
        ),
        TrainingBudget("small", epochs=3, folds=3, max_seconds=4.0),
        TrainingBudget("full"),
    )
}


def get(name: str) -> TrainingBudget:
    """Returns the budget of that name.

    Raises:
        ValueError: If there is none; the message lists them.
    """
    if name not in BUDGETS:
        raise ValueError(
            f"budget must be one of {', '.join(BUDGETS)}. Received: budget={name!r}."
        )
    return BUDGETS[name]


def recipe_for(row: Row) -> Recipe:
    """Returns the recipe of a row, with nothing left out.

    Raises:
        ValueError: If there is no such recipe.
    """
    if row.recipe == "distill":  # of students alone
        from cry_tf.distillation.distill_settings import RECIPE  # imports TensorFlow

        return RECIPE
    return recipes.get(row.recipe)


def folds_for(row: Row, budget: TrainingBudget) -> int:
    """Returns the number of folds: the vggish tables list five."""
    if row.paper == "vggish" or budget.folds is None:
        return FOLDS
    return min(FOLDS, budget.folds)


def settings_for(row: Row, budget: TrainingBudget, seed: int) -> Settings:
    """Returns everything that decides the training of a row, besides the data."""
    return Settings(
        task=row.task,
        recipe=budget.recipe(recipe_for(row)),
        backbone=row.preset,
        weights=row.weights,
        pooling=row.pooling,
        folds=folds_for(row, budget),
        seed=seed,
        baselines=False,
    )


def loss_for(row: Row, budget: TrainingBudget, seed: int) -> dict[str, float] | None:
    """Returns temperature and share of the labels, None for a row without teacher."""
    if not row.teacher:
        return None
    from cry_tf.distillation.distill_settings import (
        DistillSettings,  # imports TensorFlow
    )

    asked = DistillSettings(student=settings_for(row, budget, seed))
    return {"temperature": asked.temperature, "alpha": asked.alpha}


def budget_sentence(row: Row, budget: TrainingBudget) -> str:
    """Returns what a budget leaves out of a row, empty for nothing."""
    if row.classical:
        return ""
    return budget.sentence(recipe_for(row), folds_for(row, budget), FOLDS)
