"""`cry-tf train`: labelled recordings become a model that was cross-validated."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cry_tf.cli.console import Console, import_tensorflow_quietly
from cry_tf.cli.data_arguments import add_data_arguments
from cry_tf.cli.fetching import fetch_if_missing
from cry_tf.heads import HEADS
from cry_tf.training import recipe as recipes
from cry_tf.training.cluster import STRATEGIES
from cry_tf.training.recipe import IMBALANCES
from cry_tf.training.recipe_record import PRECISIONS

if TYPE_CHECKING:
    from cry_tf.training.settings import Settings

_EPILOG = """\
DATA is a folder per label (hungry/clip.wav, or hungry/infant7/clip.wav to say which
infant it is) or a manifest CSV with the columns file, label and group.

recipes:
  quick         the backbone stays as it came, only the head is trained: seconds on a
                laptop. The default, unless --weights none.
  finetune      the head first, then the last quarter of the backbone's layers, on
                feature maps computed once, then all, deeper layers slower; warm-up,
                cosine decay, early stopping on a fifth of each fold's training clips,
                by group, best weights kept.
  full          every layer is trained, from the waveform on, at learning rate 1e-3.
                The default with --weights none.
  vggish        the VGGish paper: pre-emphasis, z-score, every layer, Adam 1e-4, 30
                epochs, softmax on the pooled 128 values (--backbone vggish_audioset).
  infantcrynet  the InfantCryNet paper: every layer, Adam, batch 256 of as many clips
                at once as the memory holds (--backbone cnn14_16k_audioset).

heads, after the pooling:
  softmax    a dense layer. The default. mlp: with a hidden layer before it.
  logreg     logistic regression. prototype: the nearest of one direction a label.
  svm, gmm   support vector machine, Gaussian mixtures: to compare, not to export.
The last four are fitted at once, on a backbone that stays as it came (quick).

examples:
  cry-tf train recordings/ -o runs/reason --task reason
  cry-tf train recordings/ -o runs/detect --task detect --positive hungry,tired
  cry-tf train recordings/ -o runs/svm --task reason --head svm
  cry-tf train data.csv -o runs/small --task detect --backbone ds_cnn_s --weights none
  cry-tf train recordings/ -o runs/again --config runs/reason/config.json
  cry-tf train recordings/ -o runs/reason --task reason --resume

Files that cannot be used are named, left out and listed in config.json; the exit
code is 0 if a model was trained. A run that was stopped or killed is kept after each
epoch in a hidden folder beside RUN: the same command with --resume goes on with it.
"""


# Augmented embeddings of a clip, each as long to compute as its own.
_COPIES = 4


def add_parser(subparsers: Any) -> None:
    """Adds the command to the parser of `cry-tf`."""
    parser = subparsers.add_parser(
        "train",
        help="train a model with cross-validation by group",
        description=(
            "Trains once a fold, so that every clip is scored by a model that never "
            "heard its group (infant, device, recording), then trains the final "
            "model on everything."
        ),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", metavar="DATA", help="folder or manifest CSV")
    parser.add_argument(
        "-o", "--output", metavar="RUN", required=True, help="run folder to write"
    )
    parser.add_argument(
        "--task",
        choices=("detect", "reason"),
        help="detect: is a baby crying; reason: why (needed, unless --config has it)",
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="config.json of an earlier run, to train as it did; what else is given "
        "changes that",
    )
    parser.add_argument(
        "--backbone",
        metavar="PRESET",
        help="network before the head (default: the recipe's, yamnet_audioset)",
    )
    parser.add_argument(
        "--weights",
        metavar="pretrained|none|FILE",
        help="weights of the backbone; pretrained ones are fetched if they are not "
        "installed (default: pretrained)",
    )
    parser.add_argument(
        "--pooling",
        metavar="NAME",
        help="max, average, max_average, statistic or attention (default: statistic)",
    )
    parser.add_argument("--recipe", metavar="NAME", help="see below")
    parser.add_argument("--folds", metavar="K", type=int, help="default: 5")
    parser.add_argument(
        "--epochs",
        metavar="N",
        type=int,
        help="of the last stage, where there are several (default: the recipe's)",
    )
    parser.add_argument(
        "--batch-size", metavar="N", type=int, help="default: the recipe's"
    )
    parser.add_argument(
        "--micro-batch",
        metavar="N|auto",
        type=_micro_batch,
        help="clips in memory at once, a divisor of the batch size, whose gradients "
        "are averaged to one step; auto takes what the memory holds (default: the "
        "recipe's)",
    )
    parser.add_argument(
        "--learning-rate",
        metavar="RATE",
        type=float,
        help="of the last stage (default: the recipe's)",
    )
    parser.add_argument(
        "--dropout", metavar="RATE", type=float, help="default: the recipe's"
    )
    parser.add_argument(
        "--head", choices=tuple(HEADS), help="see below (default: the recipe's)"
    )
    parser.add_argument(
        "--imbalance",
        choices=IMBALANCES,
        help="how rare labels count, from the training clips of each fold alone "
        "(default: the recipe's, class_weight)",
    )
    parser.add_argument(
        "--augment",
        metavar="NAME",
        help="change training clips at random: none, light or strong "
        "(default: the recipe's, none)",
    )
    parser.add_argument(
        "--augment-copies",
        metavar="K",
        type=int,
        help="augmented copies of each clip, made once, where the head or the last "
        f"layers are trained (default with --augment: {_COPIES})",
    )
    parser.add_argument(
        "--noise", metavar="DIR", help="folder of sounds that --augment mixes in"
    )
    parser.add_argument(
        "--mixup",
        metavar="ALPHA",
        type=float,
        help="mix training clips and their labels in pairs, 0.2 for a little "
        "(default: the recipe's, 0)",
    )
    parser.add_argument(
        "--spec-augment",
        action=argparse.BooleanOptionalAction,
        help="hide stretches of time and bands from the backbone in training, with a "
        "recipe that trains its layers (default: the recipe's, no)",
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="bfloat16 computes the backbone in half the digits where every layer is "
        "trained, faster on processors that have it; the saved model is float32 "
        "(default: the recipe's, float32)",
    )
    parser.add_argument(
        "--no-baselines",
        action="store_true",
        help="leave out the rows of MFCC + GMM and MFCC + SVM",
    )
    parser.add_argument(
        "--strategy",
        choices=STRATEGIES,
        help="mirrored: every GPU of this machine; multiworker: every machine of "
        "TF_CONFIG; auto: what is there (default: auto)",
    )
    parser.add_argument("--seed", metavar="N", type=int, help="default: 0")
    add_data_arguments(parser)
    parser.add_argument(
        "--bandwidth",
        metavar="auto|none|HZ",
        type=_bandwidth,
        help="auto makes clips of different sample rates equally wide, so that the "
        "rate does not give the label away (default: auto)",
    )
    parser.add_argument(
        "--tensorboard",
        metavar="DIR",
        help="write logs for TensorBoard into DIR (pip install tensorboard)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with a run that was stopped or killed, after its last epoch",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace an earlier run, finished or interrupted",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the metrics as JSON on stdout"
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code.

    Raises:
        ValueError: If the data or the settings cannot work.
        OSError: If something cannot be read or written.
    """
    earlier = _earlier(args.config)
    settings = _settings(args, earlier)
    console = Console(is_json=args.json)
    from cry_tf.data import load
    from cry_tf.evaluation import result_folder
    from cry_tf.training.kept_run import KeptRun

    result_folder.check(args.output, args.overwrite)
    dataset = load(args.data, label_column=args.label_column, group_by=args.group_by)
    import_tensorflow_quietly()
    if settings.weights == "pretrained":
        fetch_if_missing(console, settings.backbone)
    from cry_tf.training.experiment import train

    kept = KeptRun.of(args.output)
    had_progress = kept.has_progress
    try:
        finished = train(
            dataset,
            settings,
            args.output,
            overwrite=args.overwrite,
            listener=console,
            origin=str(Path(args.data).expanduser().absolute()),
            resume=args.resume,
            tensorboard=args.tensorboard,
            earlier=earlier,
        )
    except BaseException:
        if kept.has_progress and (args.resume or not had_progress):
            console.warn(
                f"what was trained is kept in {kept.folder}: give the same command "
                "with --resume to go on"
            )
        raise
    if args.json:
        console.json({"run": str(finished.path), "metrics": finished.metrics})
    left_out = finished.config["data"]["left_out"]
    if left_out:
        console.warn(f"{len(left_out)} clips left out, named in config.json")
    console.line(f"written: {finished.path} (look at report.html)")
    return 0


def _earlier(path: str | None) -> dict[str, Any] | None:
    """Returns the record of the run to make again."""
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


def _settings(args: argparse.Namespace, earlier: dict[str, Any] | None) -> Settings:
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
        "baselines": False if args.no_baselines else None,
        "strategy": args.strategy,
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
        raise ValueError("--task must be detect or reason, where no --config says it.")
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
        asked["augment_copies"] = _COPIES
    changes = {name: value for name, value in asked.items() if value is not None}
    return recipe.replace(**changes)


def _micro_batch(text: str) -> int | str:
    if text == "auto":
        return text
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(
            f"must be auto or a positive number. Received: {text!r}"
        )
    return int(text)


def _bandwidth(text: str) -> str | float:
    if text in ("auto", "none"):
        return text
    try:
        frequency_hz = float(text)
    except ValueError:
        frequency_hz = 0.0
    if not frequency_hz > 0:
        raise argparse.ArgumentTypeError(
            f"must be auto, none or a frequency in Hz. Received: {text!r}"
        )
    return frequency_hz
