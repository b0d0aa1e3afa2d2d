"""`cry-tf quickstart`: trains, exports and tests a detector in two minutes."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cry_tf.cli.console import Console, import_tensorflow_quietly
from cry_tf.cli.data_arguments import add_result, add_seed
from cry_tf.cli.fetching import fetch_if_missing

if TYPE_CHECKING:
    from cry_tf.studies.quickstart.material import MaterialSizes

FORMAT = "cry-tf quickstart 1"
_EPILOG = """\
Without --data all sounds are synthetic and nothing is downloaded. The figures then show
that the steps work, not how well crying of real babies is detected. With --data (a
folder with one subfolder per label, or a manifest CSV) the same steps run on real
recordings; the test night is made of recordings kept out of the training.

examples:
  cry-tf quickstart
  cry-tf quickstart --data recordings/ --output first_look
  cry-tf quickstart --weights pretrained

The output folder contains detect.tflite and reason.tflite (for cry-lite and phones),
detect/ and reason/ (training runs with report.html), night.wav, night.png (a plot),
night_found.csv (detected events), night_truth.csv (true events) and metrics.json.
"""


def add_parser(subparsers: Any) -> None:
    """Adds the command to the parser of `cry-tf`."""
    parser = subparsers.add_parser(
        "quickstart",
        help="try every step on synthetic cries, or on your recordings",
        description=(
            "Generates or loads recordings, trains a detector and a reason model, "
            "exports both as .tflite, checks that the files give the same scores as "
            "the models, and analyzes a night with them and with the included detector."
        ),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data",
        metavar="DIR",
        action="append",
        help="your labelled recordings; can be repeated (default: synthetic ones)",
    )
    parser.add_argument(
        "--output",
        metavar="DIR",
        default="quickstart",
        help="folder to write (default: %(default)s)",
    )
    parser.add_argument(
        "--weights",
        metavar="FILE|pretrained|none",
        help="YAMNet weights: a file, or pretrained (downloaded if not installed); "
        "none trains a small network from scratch (default: YAMNet if its weights are "
        "installed, else a small network with bundled weights; downloads nothing)",
    )
    add_seed(parser)
    add_result(parser, "quickstart", "every figure")


def run(args: argparse.Namespace, scale: MaterialSizes | None = None) -> int:
    """Runs the command and returns its exit code.

    Args:
        args: Parsed arguments.
        scale: Amounts of data and training. None takes the standard ones.

    Raises:
        ValueError: If the data or the settings cannot work.
        OSError: If something cannot be read or written.
    """
    if args.seed < 0:
        raise ValueError(f"--seed must be 0 or more. Received: {args.seed}.")
    console = Console(is_json=args.json)
    start = time.monotonic()
    output = Path(args.output).expanduser()
    _check_output(output)
    import_tensorflow_quietly()
    if args.weights == "pretrained":
        from cry_tf.studies.quickstart.backbone_choice import PRETRAINED

        fetch_if_missing(console, PRETRAINED)
    from cry_tf.runs import result_folder
    from cry_tf.studies.quickstart.chain import run_chain, summary
    from cry_tf.studies.quickstart.material import STANDARD

    with result_folder.writing(output, args.overwrite) as part:
        outcome = run_chain(
            part,
            data=args.data,
            weights=args.weights,
            seed=args.seed,
            progress=console,
            scale=scale or STANDARD,
        )
        values = {"format": FORMAT, **summary(outcome, args.seed)}
        result_folder.write_json(part / result_folder.MARK, values)
    report(console, values, output)
    console.line(f"done in {time.monotonic() - start:.0f} s")
    if args.json:
        console.json({"output": str(output), **values})
    return 0


def _check_output(output: Path) -> None:
    """Refuses, before any work, a folder with the result of another command.

    `result_folder.writing` checks the rest.
    """
    mark = output / "metrics.json"
    if not mark.is_file():
        return
    try:
        found = json.loads(mark.read_text(encoding="utf-8")).get("format")
    except (ValueError, AttributeError):
        found = None
    if found != FORMAT:
        raise FileExistsError(
            f"--output must be a new folder or an earlier quickstart. {output} holds "
            "the result of another command. Choose another folder."
        )


def report(console: Console, values: dict[str, Any], output: Path) -> None:
    """Prints the figures of a quickstart as a table and sentences.

    Args:
        console: Console to print on.
        values: Content of `metrics.json`.
        output: The folder that was written.
    """
    is_synthetic = values["synthetic"]
    rows = []
    for task, model in values["models"].items():
        metrics = model["metrics"]
        rows.append(
            [
                task,
                str(metrics["clips"]),
                str(metrics["groups"]),
                _figure(metrics["majority"]["balanced_accuracy"]),
                _figure(metrics["model"]["balanced_accuracy"]),
                _figure(metrics["model"]["macro_f1"]),
                f"{model['bytes']:,}",
                f"{model['parity']['max_score_difference']:.4f}",
            ]
        )
    console.line()
    console.table(
        ["task", "clips", "infants" if is_synthetic else "groups", "majority"]
        + ["balanced accuracy", "macro-F1", "bytes", "parity"],
        rows,
    )
    console.line(
        "  each clip is scored by a model that was not trained on its "
        + ("infant" if is_synthetic else "group")
        + "; 95 % intervals by group in brackets"
    )
    console.line(
        "  majority: balanced accuracy of always answering the commonest label; "
        "parity: largest difference between a score of the .tflite and of the model"
    )
    for task, model in values["models"].items():
        if model["metrics"]["verdict"]:
            console.line(f"  {task}: {model['metrics']['verdict']}")
    if values["night"] is not None:
        _print_night(console, values)
    console.line()
    if is_synthetic:
        console.line(
            "All sounds are synthetic: the figures show that the steps work, not how "
            "well crying of real babies is detected. detect.tflite knows no real "
            "sound: do not use it as a detector."
        )
    _print_next(console, values, output)


def _print_night(console: Console, values: dict[str, Any]) -> None:
    from cry_tf.data.grouping import plural

    night, included = values["night"], values["included_detector"]
    trained_on = "synthetic clips" if values["synthetic"] else "your clips"
    console.line()
    console.line(f"night of {night['duration_s'] / 60:.1f} minutes")
    for name, score in (
        (f"{included['name']}, included, trained on real recordings", included),
        (f"detect.tflite, trained here on {trained_on}", night),
    ):
        console.line(
            f"  {name}: {score['found']} of {score['cries']} cries detected, "
            f"{plural(score['false_alarms'], 'false alarm')}"
        )
    if night["false_alarms_per_hour"] is not None:
        quiet_minutes = (night["duration_s"] - night["cry_s"]) / 60
        console.line(
            f"  detect.tflite: {night['false_alarms_per_hour']:.1f} false alarms an "
            f"hour, counted on {quiet_minutes:.1f} minutes without crying"
        )
    if night["false_alarm_labels"]:
        console.line(
            f"  its false alarms are on: {', '.join(night['false_alarm_labels'])}"
        )
    if night["reasons"]:
        right = sum(one["true"] == one["answered"] for one in night["reasons"])
        console.line(
            f"  reason.tflite: {right} of {len(night['reasons'])} reasons correct"
        )


def _print_next(console: Console, values: dict[str, Any], output: Path) -> None:
    console.line(f"written: {output}")
    has_night = values["night"] is not None
    if has_night:
        console.line(f"  open {output / 'night.png'}")
    for task in values["models"]:
        console.line(f"  open {output / task / 'report.html'}")
    if has_night:
        console.line(f"  next: cry-lite analyze {output / 'night.wav'}")
    else:
        model = output / f"{next(iter(values['models']))}.tflite"
        console.line(f"  next: cry-lite analyze FILE.wav --model {model}")


def _figure(estimate: dict[str, Any]) -> str:
    if estimate["value"] is None:
        return "-"
    if estimate["low"] is None:
        return f"{estimate['value']:.3f}"
    return f"{estimate['value']:.3f} ({estimate['low']:.3f}-{estimate['high']:.3f})"
