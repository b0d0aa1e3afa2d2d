"""Named ways to train."""

from __future__ import annotations

from cry_tf.training.recipe_record import IMBALANCES, Imbalance, Recipe
from cry_tf.training.stage import Stage

__all__ = [
    "FINE_TUNE",
    "FULL",
    "IMBALANCES",
    "INFANTCRYNET",
    "QUICK",
    "RECIPES",
    "VGGISH",
    "Imbalance",
    "Recipe",
    "default_name",
    "get",
]

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
# The head learns on cached embeddings, so that a random head does not spoil what the
# backbone knows; then its last quarter, then all of it, deeper layers ever slower.
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
# The VGGish paper: pre-emphasis and z-score before the log-mel, every layer trained,
# a softmax on the pooled 128 values. Its batch size is not told; it weighs no labels.
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
# The InfantCryNet paper: Adam, batch 256 on eight GPUs. Rate and epochs are not told;
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
    recipe.name: recipe for recipe in (QUICK, FULL, FINE_TUNE, VGGISH, INFANTCRYNET)
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
