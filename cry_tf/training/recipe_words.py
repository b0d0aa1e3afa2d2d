"""A recipe in words, for logs, records and reports."""

from __future__ import annotations

from cry_tf.training.recipe import Recipe


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
