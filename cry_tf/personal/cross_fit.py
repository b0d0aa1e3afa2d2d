"""Models of a run that never heard an infant, trained anew without it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from cry_tf.data import Embeddings
from cry_tf.personal.source import Pooled
from cry_tf.runs.run_folder import RunFolder
from cry_tf.training.fitted_head_trainer import FittedTrainer
from cry_tf.training.head_trainer import HeadTrainer
from cry_tf.training.recipe import Recipe
from cry_tf.training.trainer import Trainer


def check_backbone(run: RunFolder) -> None:
    """Refuses a run whose backbone has heard its training clips.

    Raises:
        ValueError: If every layer was trained.
    """
    if run.config["settings"]["recipe"]["trains"] != "head":
        raise ValueError(
            "The study needs infants that the network has never heard. Received: "
            f"clips of the training of {run.path}, whose backbone was trained on them. "
            "Give recordings of other infants, or a run of the recipe quick."
        )


def without_each(
    run: RunFolder,
    model: Any,
    embeddings: Embeddings,
    heard: np.ndarray,
    use: Callable[[Any, np.ndarray, np.ndarray], None],
    tell: Callable[[], None] = lambda: None,
) -> int:
    """Trains the head of a run once a fold, as the run did, on the other groups.

    Args:
        run: The run; its recipe, folds and seed are taken.
        model: Its model; it is left as it was.
        embeddings: Of the training clips, and of any others of the same infants.
            Groups are kept whole.
        heard: Bool `(clips,)`, which of them the run was trained on.
        use: Called once a fold with the trained model, the places that it was
            trained on, and the places of the clips held out.
        tell: Called after each epoch.

    Returns:
        The number of folds.

    Raises:
        ValueError: If a label has too few groups, or a loss is not finite.
    """
    settings = run.config["settings"]
    recipe = Recipe.from_dict(settings["recipe"])
    # Augmented copies are for the final model; the folds do without.
    recipe = recipe.replace(augment="none", augment_copies=0)
    keras.utils.set_random_seed(settings["seed"])
    fresh = type(model).from_config(model.get_config())
    fresh.backbone.set_weights(model.backbone.get_weights())
    trainer = _trainer(fresh, embeddings, recipe, settings["seed"])
    folds = embeddings.dataset.fold_indices(settings["folds"], settings["seed"])
    for train, test in folds:
        trained_on = train[heard[train]]
        trainer.reset()
        trainer.fit(trained_on, lambda *_: tell())
        use(fresh, trained_on, test)
    return len(folds)


def _trainer(model: Any, found: Embeddings, recipe: Recipe, seed: int) -> Trainer:
    truth, groups = found.dataset.label_indices, found.dataset.groups
    if recipe.is_fitted:
        return FittedTrainer(model, found.values, truth, groups, recipe, seed)
    front_end = model.spec.front_end
    step_s = front_end.patch_hop_samples / front_end.sample_rate_hz
    return HeadTrainer(model, found.values, truth, recipe, seed, step_s)


def pooled(model: Any, embeddings: Embeddings, places: np.ndarray) -> Pooled:
    """Returns what a model makes of the clips at these places."""
    return Pooled.of(model, [embeddings.values[int(place)] for place in places])
