"""The arguments of `cry-tf train`."""

from __future__ import annotations

import argparse

from cry_tf.cli.data_arguments import add_data, add_data_arguments
from cry_tf.heads import HEADS
from cry_tf.training.recipe import IMBALANCES, PRECISIONS
from cry_tf.training.settings import STRATEGIES

# Augmented embeddings of a clip, each as long to compute as its own.
COPIES = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds all of them to the parser of the command."""
    add_data(parser)
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
        f"layers are trained (default with --augment: {COPIES})",
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
