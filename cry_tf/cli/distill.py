"""`cry-tf distill`: trains a small student network on the scores of finished runs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from cry_tf.cli.console import Console, import_tensorflow_quietly, naming_progress
from cry_tf.cli.data_arguments import (
    add_data,
    add_data_arguments,
    add_result,
    add_seed,
    origin_of,
)
from cry_tf.cli.fetching import fetch_if_missing

if TYPE_CHECKING:
    from cry_tf.distillation.distill_settings import DistillSettings

_EPILOG = """\
TEACHER_RUN is a run folder of cry-tf train; separate several by commas. DATA is
labelled recordings as for cry-tf train, with the labels of the teacher. The loss is

  ALPHA * cross-entropy with the labels
  + (1 - ALPHA) * T^2 * KL divergence of teacher and student at temperature T.

A teacher that was trained on clips of DATA is trained again in each fold, on the fold's
training clips, so that teacher and student are evaluated on clips that neither was
trained on. With the recipe quick this takes seconds.

--unlabelled adds recordings without labels, cut into windows, on which the student
learns the teacher's scores. --filter keeps only windows that the teacher labels with
confidence, and trains on that label too.

examples:
  cry-tf distill runs/detect recordings/ -o runs/small --student ds_cnn_s
  cry-tf distill runs/yamnet,runs/mn04 data.csv -o runs/both --student ds_cnn_s \\
      --teacher-weight 1,2 --augment strong --augment-copies 4
  cry-tf distill runs/detect recordings/ -o runs/more --student ds_cnn_m \\
      --unlabelled household/ --filter

RUN is a run folder for cry-tf evaluate and cry-tf export. distillation.html compares
the teacher, the student trained alone and the distilled student. Continue an
interrupted run with --resume.
"""
_COPIES = 4


def add_parser(subparsers: Any) -> None:
    """Adds the command to the parser of `cry-tf`."""
    parser = subparsers.add_parser(
        "distill",
        help="train a small network on the scores of trained ones",
        description=(
            "Trains a student on labels and on the softened scores of teachers, "
            "cross-validates it by group, and compares it with the same student "
            "trained without a teacher."
        ),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "teacher", metavar="TEACHER_RUN[,...]", help="run folders of cry-tf train"
    )
    add_data(parser)
    parser.add_argument(
        "-o", "--output", metavar="RUN", required=True, help="run folder to write"
    )
    parser.add_argument(
        "--student",
        metavar="PRESET",
        default="ds_cnn_s",
        help="network of the student, see cry-tf weights list (default: %(default)s)",
    )
    parser.add_argument(
        "--weights",
        metavar="pretrained|none|FILE",
        default="pretrained",
        help="initial weights of the student's backbone: pretrained, none (random) or "
        "a file (default: %(default)s)",
    )
    parser.add_argument(
        "--temperature",
        metavar="T",
        type=float,
        default=4.0,
        help="temperature that softens the scores, float > 0 (default: %(default)g)",
    )
    parser.add_argument(
        "--alpha",
        metavar="A",
        type=float,
        default=0.3,
        help="weight of the labels in the loss, 0 to 1 (default: %(default)g)",
    )
    parser.add_argument(
        "--teacher-weight",
        metavar="W,...",
        type=_numbers,
        help="weight of each teacher, float > 0 (default: equal)",
    )
    parser.add_argument(
        "--unlabelled", metavar="DIR", help="folder of recordings without labels"
    )
    parser.add_argument(
        "--windows",
        metavar="N",
        type=int,
        default=0,
        help="for detectors: train on so many windows that are drawn from DATA as by "
        "the recipe field, in place of the recordings (default: %(default)s, none)",
    )
    parser.add_argument(
        "--events",
        metavar="EVENTS",
        help="times of crying in the recordings, for --windows",
    )
    parser.add_argument(
        "--filter",
        action="store_true",
        help="keep only unlabelled windows that the teacher labels with confidence",
    )
    parser.add_argument(
        "--filter-precision",
        metavar="SHARE",
        type=float,
        default=0.95,
        help="share of those labels that should be right, 0 to 1 "
        "(default: %(default)g)",
    )
    parser.add_argument(
        "--window",
        metavar="SECONDS",
        type=float,
        default=3.0,
        help="length of an unlabelled window (default: %(default)g)",
    )
    parser.add_argument(
        "--pooling",
        metavar="NAME",
        default="statistic",
        help="pooling of the student: max, average, max_average, statistic or "
        "attention (default: %(default)s)",
    )
    parser.add_argument(
        "--recipe",
        metavar="NAME",
        default="distill",
        help="distill (decaying learning rate) or full (constant); both train every "
        "layer (default: %(default)s)",
    )
    parser.add_argument(
        "--folds",
        metavar="K",
        type=int,
        default=5,
        help="folds of the cross-validation, int >= 2 (default: %(default)s)",
    )
    parser.add_argument(
        "--epochs",
        metavar="N",
        type=int,
        help="epochs, int >= 1 (default: the recipe's)",
    )
    parser.add_argument(
        "--batch-size",
        metavar="N",
        type=int,
        help="clips per step, int >= 1 (default: the recipe's)",
    )
    parser.add_argument(
        "--learning-rate",
        metavar="RATE",
        type=float,
        help="initial learning rate, float > 0 (default: the recipe's)",
    )
    parser.add_argument(
        "--augment",
        metavar="NAME",
        help="random changes to training clips: none, light or strong (default: none)",
    )
    parser.add_argument(
        "--augment-copies",
        metavar="K",
        type=int,
        help="augmented copies of each clip, each scored once by the teacher, "
        f"int >= 0 (default with --augment: {_COPIES})",
    )
    parser.add_argument(
        "--noise", metavar="DIR", help="folder of sounds that --augment mixes in"
    )
    parser.add_argument(
        "--no-alone",
        action="store_true",
        help="skip training the student without a teacher, half of the time",
    )
    parser.add_argument(
        "--no-quantized",
        action="store_true",
        help="skip the rows of dynamic-range quantized files",
    )
    add_seed(parser)
    add_data_arguments(parser)
    parser.add_argument(
        "--resume", action="store_true", help="continue an interrupted run"
    )
    add_result(parser, "run", "the metrics")


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code.

    Raises:
        ValueError: If data, teachers or settings cannot work.
        OSError: If something cannot be read or written.
    """
    console = Console(is_json=args.json)
    from cry_tf.data import load
    from cry_tf.runs import result_folder
    from cry_tf.runs.run_folder import RunFolder

    teachers = [name for name in args.teacher.split(",") if name]
    runs = [RunFolder.open(name) for name in teachers]
    result_folder.check(args.output, args.overwrite)
    dataset = load(args.data, label_column=args.label_column, group_by=args.group_by)
    import_tensorflow_quietly()
    settings = _settings(args, runs)
    if settings.student.weights == "pretrained":
        fetch_if_missing(console, settings.student.backbone)
    from cry_tf.distillation.distil import distil

    with naming_progress(console, args.output, args.resume):
        finished = distil(
            teachers,
            dataset,
            settings,
            args.output,
            unlabelled=args.unlabelled,
            overwrite=args.overwrite,
            resume=args.resume,
            progress=console,
            origin=origin_of(args.data),
        )
    if args.json:
        console.json({"run": str(finished.path), "metrics": finished.metrics})
    console.line(f"written: {finished.path} (open distillation.html)")
    return 0


def _settings(args: argparse.Namespace, runs: list[Any]) -> DistillSettings:
    from cry_tf.distillation.distill_settings import RECIPE, DistillSettings
    from cry_tf.training import recipe as recipes
    from cry_tf.training.settings import Settings

    if not runs:
        raise ValueError(
            f"TEACHER_RUN must be a run folder. Received: {args.teacher!r}."
        )
    known = {RECIPE.name: RECIPE, **recipes.RECIPES}
    if args.recipe not in known:
        raise ValueError(
            f"--recipe must be {RECIPE.name} or full. Received: {args.recipe!r}."
        )
    names = ("epochs", "batch_size", "learning_rate", "augment")
    asked = {name: getattr(args, name) for name in names}
    recipe = known[args.recipe].replace(
        **{name: value for name, value in asked.items() if value is not None}
    )
    teacher = Settings.from_dict(runs[0].config["settings"])
    copies = args.augment_copies
    if copies is None:
        copies = 0 if recipe.augment == "none" else _COPIES
    return DistillSettings(
        student=Settings(
            task=teacher.task,
            recipe=recipe,
            backbone=args.student,
            weights=None if args.weights == "none" else args.weights,
            pooling=args.pooling,
            folds=args.folds,
            seed=args.seed,
            # Teacher and student share the labels that mean crying.
            positive=args.positive or teacher.positive,
            bandwidth=teacher.bandwidth,
            baselines=False,
            noise=args.noise,
            events=args.events,
        ),
        temperature=args.temperature,
        alpha=args.alpha,
        teacher_weights=args.teacher_weight,
        copies=copies,
        filter=args.filter,
        filter_precision=args.filter_precision,
        windows=args.windows,
        window_s=args.window,
        alone=not args.no_alone,
        quantized=not args.no_quantized,
    )


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be numbers separated by commas. Received: {text!r}"
        ) from None
