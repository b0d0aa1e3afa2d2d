"""How much of a paper's training a machine is asked to do."""

from __future__ import annotations

from dataclasses import dataclass

from cry_tf.reproduce.row import Row
from cry_tf.training import recipe as recipes
from cry_tf.training.recipe import Recipe
from cry_tf.training.settings import Settings

FOLDS = 5


@dataclass(frozen=True)
class Budget:
    """Limits on a training; None does not limit.

    Attributes:
        name: What `--budget` calls it.
        epochs: Most epochs.
        folds: Most folds, at least 2. Rows that are folds themselves keep theirs.
        max_seconds: Most seconds of a clip that are trained on.
    """

    name: str
    epochs: int | None = None
    folds: int | None = None
    max_seconds: float | None = None

    def recipe(self, asked: Recipe) -> Recipe:
        """Returns the recipe within the limits."""
        return asked.replace(
            epochs=min(asked.epochs, self.epochs or asked.epochs),
            max_seconds=min(asked.max_seconds, self.max_seconds or asked.max_seconds),
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
        return f"{self.name} budget: {', '.join(parts)}" if parts else ""


BUDGETS = {
    budget.name: budget
    for budget in (
        Budget("small", epochs=3, folds=3, max_seconds=4.0),
        Budget("full"),
    )
}


def get(name: str) -> Budget:
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
    return recipes.get(row.recipe)


def folds_for(row: Row, budget: Budget) -> int:
    """Returns the number of folds: the vggish tables list five."""
    if row.paper == "vggish" or budget.folds is None:
        return FOLDS
    return min(FOLDS, budget.folds)


def settings_for(row: Row, budget: Budget, seed: int) -> Settings:
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


def budget_sentence(row: Row, budget: Budget) -> str:
    """Returns what a budget leaves out of a row, empty for nothing."""
    if row.classical:
        return ""
    return budget.sentence(recipe_for(row), folds_for(row, budget), FOLDS)
