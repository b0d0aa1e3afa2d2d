"""`cry-tf train`: labelled recordings become a model that was cross-validated."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cry_tf.cli.console import Console, import_tensorflow_quietly
from cry_tf.cli.data_arguments import add_data_arguments
from cry_tf.cli.fetching import fetch_if_missing
from cry_tf.heads import HEADS
from cry_tf.training.cluster import STRATEGIES
from cry_tf.training.recipe import IMBALANCES

if TYPE_CHECKING:
    from cry_tf.training.settings import Settings

_EPILOG = """\
DATA is a folder per label (hungry/clip.wav, or hungry/infant7/clip.wav to say which
infant it is) or a manifest CSV with the columns file, label and group.

recipes:
  quick      the backbone stays as it came, only the head is trained: seconds on a
             laptop. The default, unless --weights none.
  full       every layer is trained, from the waveform on, at learning rate 1e-3.
             The default with --weights none.
  finetune   as full, at 1e-4: for pretrained weights.

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

Files that cannot be used are named, left out and listed in config.json; the exit
code is 0 if a model was trained. An interrupted run leaves nothing behind.
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
        required=True,
        help="detect: is a baby crying; reason: why",
    )
    parser.add_argument(
        "--backbone",
        metavar="PRESET",
        default="yamnet_audioset",
        help="network before the head (default: %(default)s)",
    )
    parser.add_argument(
        "--weights",
        metavar="pretrained|none|FILE",
        default="pretrained",
        help="weights of the backbone; pretrained ones are fetched if they are not "
        "installed (default: %(default)s)",
    )
    parser.add_argument(
        "--pooling",
        metavar="NAME",
        default="statistic",
        help="max, average, max_average, statistic or attention (default: %(default)s)",
    )
    parser.add_argument("--recipe", metavar="NAME", help="see below")
    parser.add_argument(
        "--folds", metavar="K", type=int, default=5, help="default: %(default)s"
    )
    parser.add_argument("--epochs", metavar="N", type=int, help="default: the recipe's")
    parser.add_argument(
        "--batch-size", metavar="N", type=int, help="default: the recipe's"
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
        help="augmented embeddings of each clip, where the head alone is trained "
        f"(default with --augment: {_COPIES})",
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
        "--no-baselines",
        action="store_true",
        help="leave out the rows of MFCC + GMM and MFCC + SVM",
    )
    parser.add_argument(
        "--strategy",
        choices=STRATEGIES,
        default="auto",
        help="mirrored: every GPU of this machine; multiworker: every machine of "
        "TF_CONFIG; auto: what is there (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", metavar="N", type=int, default=0, help="default: %(default)s"
    )
    add_data_arguments(parser)
    parser.add_argument(
        "--bandwidth",
        metavar="auto|none|HZ",
        type=_bandwidth,
        default="auto",
        help="auto makes clips of different sample rates equally wide, so that the "
        "rate does not give the label away (default: %(default)s)",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an earlier run"
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
    settings = _settings(args)
    console = Console(is_json=args.json)
    from cry_tf.data import load
    from cry_tf.evaluation import result_folder

    result_folder.check(args.output, args.overwrite)
    dataset = load(args.data, label_column=args.label_column, group_by=args.group_by)
    import_tensorflow_quietly()
    if settings.weights == "pretrained":
        fetch_if_missing(console, settings.backbone)
    from cry_tf.training.experiment import train

    finished = train(
        dataset,
        settings,
        args.output,
        overwrite=args.overwrite,
        listener=console,
        origin=str(Path(args.data).expanduser().absolute()),
    )
    if args.json:
        console.json({"run": str(finished.path), "metrics": finished.metrics})
    left_out = finished.config["data"]["left_out"]
    if left_out:
        console.warn(f"{len(left_out)} clips left out, named in config.json")
    console.line(f"written: {finished.path} (look at report.html)")
    return 0


def _settings(args: argparse.Namespace) -> Settings:
    from cry_tf.training import recipe as recipes
    from cry_tf.training.settings import Settings

    weights = None if args.weights == "none" else args.weights
    recipe = recipes.get(args.recipe or recipes.default_name(weights))
    asked = {
        "epochs": args.epochs,
        "batch_size": args.batch_size,
        "dropout": args.dropout,
        "head": args.head,
        "imbalance": args.imbalance,
        "augment": args.augment,
        "augment_copies": args.augment_copies,
        "mixup": args.mixup,
    }
    has_copies = args.augment not in (None, "none") and recipe.trains == "head"
    if has_copies and args.augment_copies is None:
        asked["augment_copies"] = _COPIES
    changes = {name: value for name, value in asked.items() if value is not None}
    return Settings(
        task=args.task,
        recipe=recipe.replace(**changes),
        backbone=args.backbone,
        weights=weights,
        pooling=args.pooling,
        folds=args.folds,
        seed=args.seed,
        positive=args.positive,
        bandwidth=args.bandwidth,
        baselines=not args.no_baselines,
        noise=args.noise,
        strategy=args.strategy,
    )


def _bandwidth(text: str) -> str | float | None:
    if text in ("auto", "none"):
        return None if text == "none" else text
    try:
        frequency_hz = float(text)
    except ValueError:
        frequency_hz = 0.0
    if not frequency_hz > 0:
        raise argparse.ArgumentTypeError(
            f"must be auto, none or a frequency in Hz. Received: {text!r}"
        )
    return frequency_hz
