"""The arguments of `cry-tf train`."""

from __future__ import annotations

import argparse

from cry_tf.cli.data_arguments import (
    add_data,
    add_data_arguments,
    add_domain,
    add_result,
)
from cry_tf.heads import HEADS
from cry_tf.training.recipe import IMBALANCES, PRECISIONS
from cry_tf.training.settings import STRATEGIES

# Augmented embeddings of a clip. Each takes as long to compute as the original's.
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
        help="detect: is a baby crying; reason: why (required without --config)",
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="config.json of an earlier run, whose settings are used; other arguments "
        "override them",
    )
    parser.add_argument(
        "--backbone",
        metavar="PRESET",
        help="pretrained network before the head, see cry-tf weights list (default: "
        "the recipe's, yamnet_audioset)",
    )
    parser.add_argument(
        "--weights",
        metavar="pretrained|none|FILE",
        help="initial weights of the backbone: pretrained (downloaded if not "
        "installed), none (random), or a file (default: pretrained)",
    )
    parser.add_argument(
        "--pooling",
        metavar="NAME",
        help="how frames become one vector per clip: max, average, max_average, "
        "statistic or attention (default: statistic)",
    )
    parser.add_argument(
        "--recipe", metavar="NAME", help="how the layers are trained, see below"
    )
    parser.add_argument(
        "--folds",
        metavar="K",
        type=int,
        help="folds of the cross-validation, int >= 2 (default: 5)",
    )
    parser.add_argument(
        "--epochs",
        metavar="N",
        type=int,
        help="epochs of the last stage, int >= 1 (default: the recipe's)",
    )
    parser.add_argument(
        "--batch-size",
        metavar="N",
        type=int,
        help="clips per step, int >= 1 (default: the recipe's)",
    )
    parser.add_argument(
        "--micro-batch",
        metavar="N|auto",
        type=_micro_batch,
        help="clips in memory at once, a divisor of the batch size; gradients are "
        "averaged over the batch; auto: as many as fit (default: the recipe's)",
    )
    parser.add_argument(
        "--learning-rate",
        metavar="RATE",
        type=float,
        help="learning rate of the last stage, float > 0 (default: the recipe's)",
    )
    parser.add_argument(
        "--dropout",
        metavar="RATE",
        type=float,
        help="share of the head's inputs set to 0 in training, 0 to 1 (default: the "
        "recipe's)",
    )
    parser.add_argument(
        "--head",
        choices=tuple(HEADS),
        help="classifier after the pooling, see below (default: the recipe's)",
    )
    parser.add_argument(
        "--imbalance",
        choices=IMBALANCES,
        help="how rare labels are balanced in training "
        "(default: the recipe's, class_weight)",
    )
    parser.add_argument(
        "--augment",
        metavar="NAME",
        help="random changes to training clips: none, light (level, position, band, "
        "noise) or strong (also pitch, tempo, reverberation) (default: the recipe's, "
        "none)",
    )
    parser.add_argument(
        "--augment-copies",
        metavar="K",
        type=int,
        help="augmented copies of each clip, computed once, for recipes that train "
        f"only the head or the last layers (default with --augment: {COPIES})",
    )
    parser.add_argument(
        "--noise", metavar="DIR", help="folder of sounds that --augment mixes in"
    )
    parser.add_argument(
        "--events",
        metavar="EVENTS",
        help="times of crying in the recordings, as for cry-tf evaluate, for the "
        "recipe field (default: where a recording with a cry is loud)",
    )
    parser.add_argument(
        "--mixup",
        metavar="ALPHA",
        type=float,
        help="strength of mixup, which mixes training clips and labels in pairs: 0 is "
        "off, 0.2 is light (default: the recipe's, 0)",
    )
    parser.add_argument(
        "--spec-augment",
        action=argparse.BooleanOptionalAction,
        help="mask random stretches of time and mel bands in training; needs a recipe "
        "that trains the backbone (default: the recipe's, no)",
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        help="number format of the backbone while every layer is trained; bfloat16 is "
        "faster on processors that support it; the saved model is float32 "
        "(default: the recipe's, float32)",
    )
    parser.add_argument(
        "--min-recall",
        metavar="SHARE",
        type=float,
        help="for a detector: share of cries that the threshold should find on "
        "out-of-fold scores, 0 to 1; lower for fewer false alarms (default: 0.95)",
    )
    parser.add_argument(
        "--no-baselines",
        action="store_true",
        help="skip the baseline models (MFCC + GMM, MFCC + SVM)",
    )
    parser.add_argument(
        "--strategy",
        choices=STRATEGIES,
        help="mirrored: every GPU of this machine; multiworker: every machine of "
        "TF_CONFIG; auto: whichever is available (default: auto)",
    )
    parser.add_argument(
        "--seed",
        metavar="N",
        type=int,
        help="seed of every random choice, int >= 0 (default: 0)",
    )
    add_data_arguments(parser)
    add_domain(parser)
    parser.add_argument(
        "--leave-domains-out",
        action=argparse.BooleanOptionalAction,
        help="for a detector: also train without each recorder or data set, and test "
        "on it (default: yes where only the head is trained and there are at most "
        "10)",
    )
    parser.add_argument(
        "--bandwidth",
        metavar="auto|none|HZ",
        type=_bandwidth,
        help="highest frequency of all clips, Hz; auto: the lowest bandwidth in DATA, "
        "if sample rates differ, so that the rate does not reveal the label; none: no "
        "limit (default: auto)",
    )
    parser.add_argument(
        "--tensorboard",
        metavar="DIR",
        help="write logs for TensorBoard into DIR (pip install tensorboard)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="continue an interrupted run after its last epoch",
    )
    add_result(parser, "run, finished or interrupted", "the metrics")


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
