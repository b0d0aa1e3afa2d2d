"""From the arguments of `cry-tf train` to the settings of a run."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cry_tf.cli.train_arguments import COPIES
from cry_tf.training import recipe as recipes

if TYPE_CHECKING:
    from cry_tf.training.settings import Settings


def read_earlier(path: str | None) -> dict[str, Any] | None:
    """Returns the content of an earlier run's config.json, None without a path.

    Raises:
        ValueError: If the file is not the config.json of a run.
        OSError: If it cannot be read.
    """
    if path is None:
        return None
    try:
        earlier = json.loads(Path(path).expanduser().read_text(encoding="utf-8"))
        earlier["settings"]["recipe"]["name"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"--config must be the config.json of a run. {path} is not: {error!r}."
        ) from error
    return earlier


def settings_of(args: argparse.Namespace, earlier: dict[str, Any] | None) -> Settings:
    """Returns the settings of a run.

    Args:
        args: Arguments of the command.
        earlier: config.json of an earlier run, whose settings are used, or None.

    Raises:
        ValueError: If the settings contradict each other.
    """
    from cry_tf.training.settings import Settings

    asked: dict[str, Any] = {
        "task": args.task,
        "backbone": args.backbone,
        "weights": args.weights,
        "pooling": args.pooling,
        "folds": args.folds,
        "seed": args.seed,
        "positive": args.positive,
        "bandwidth": args.bandwidth,
        "noise": args.noise,
        "events": args.events,
        "min_recall": args.min_recall,
        "baselines": False if args.no_baselines else None,
        "strategy": args.strategy,
        "leave_domains_out": args.leave_domains_out,
    }
    asked = {name: value for name, value in asked.items() if value is not None}
    for name in ("weights", "bandwidth"):
        if asked.get(name) == "none":
            asked[name] = None
    if earlier is not None:
        before = Settings.from_dict(earlier["settings"])
        base = recipes.get(args.recipe) if args.recipe else before.recipe
        return dataclasses.replace(before, **asked, recipe=_recipe(args, base))
    if args.task is None:
        raise ValueError("--task detect or --task reason is required without --config.")
    weights = asked.get("weights", "pretrained")
    recipe = _recipe(args, recipes.get(args.recipe or recipes.default_name(weights)))
    asked.setdefault("strategy", "auto")
    if recipe.backbone is not None:
        asked.setdefault("backbone", recipe.backbone)
    return Settings(**asked, recipe=recipe)


def _recipe(args: argparse.Namespace, recipe: recipes.Recipe) -> recipes.Recipe:
    names = ("epochs", "batch_size", "micro_batch", "learning_rate", "dropout", "head")
    names += ("imbalance", "augment", "augment_copies", "mixup", "spec_augment")
    names += ("precision",)
    asked = {name: getattr(args, name) for name in names}
    is_augmented = args.augment not in (None, "none")
    if is_augmented and recipe.has_computed_stage and args.augment_copies is None:
        asked["augment_copies"] = COPIES
    changes = {name: value for name, value in asked.items() if value is not None}
    return recipe.replace(**changes)
