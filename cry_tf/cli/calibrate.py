"""`cry-tf calibrate`: keeps a detector to a budget of false alarms."""

from __future__ import annotations

import argparse
from typing import Any

from cry_lite import models
from cry_tf.cli.console import Console, import_tensorflow_quietly
from cry_tf.cli.data_arguments import add_data_arguments

_EPILOG = """\
Searches onset and offset threshold, smoothing, confirmation (how long the score has to
stay at the onset threshold, in seconds) and shortest event. Of the settings that keep
to the budget on the ambient recordings, the one that detects the most cries is written
into MODEL, or into -o FILE. Without --cries the onset threshold is raised as far as
needed. An alarm is an event as in cry-lite analyze; one that goes on counts again after
every minute.

Ambient recordings are of rooms, music, voices, as the detector will meet them, without
crying. It takes 3 / X hours of them to show at most X false alarms an hour with 95 %
confidence: 15 hours for 0.2. With fewer the command stops, unless --accept-few-hours.

FILE.alarms.html and .json beside the model (alarms.html in a run folder) have the whole
curve. Scores are kept, so that another budget takes seconds.

examples:
  cry-tf calibrate cry.tflite --ambient nights/ --max-false-alarms-per-hour 0.2 \\
      --cries recordings/
  cry-tf calibrate runs/detect --ambient living_room/ --max-false-alarms-per-hour 1 \\
      -o strict.keras
"""


def add_parser(subparsers: Any) -> None:
    """Adds the command to the parser of `cry-tf`."""
    parser = subparsers.add_parser(
        "calibrate",
        help="keep a detector to a number of false alarms an hour",
        description=(
            "Chooses the thresholds of a detector by ambient recordings, and writes "
            "them into the model with a report."
        ),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "model", metavar="MODEL", help="run folder, .keras, .tflite or cry_detector"
    )
    parser.add_argument(
        "--ambient",
        metavar="DIR",
        nargs="+",
        required=True,
        help="sound files without crying, or folders of them",
    )
    parser.add_argument(
        "--max-false-alarms-per-hour",
        metavar="X",
        type=float,
        required=True,
        help="the budget, above 0",
    )
    parser.add_argument(
        "--cries",
        metavar="DATA",
        nargs="+",
        help="labelled recordings; those with crying show how many a setting detects",
    )
    add_data_arguments(parser)
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="file to write (default: MODEL itself)"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace FILE if it exists"
    )
    parser.add_argument(
        "--accept-few-hours",
        action="store_true",
        help="go on with too few hours to show the budget; the file says so",
    )
    parser.add_argument(
        "--ambient-has-no-crying",
        action="store_true",
        help="count what sounds like crying in the ambient recordings as false alarms",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the choice and the curve as JSON"
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code.

    Raises:
        ValueError: If the recordings do not allow a choice.
        OSError: If something cannot be read or written.
    """
    console = Console(is_json=args.json)
    if not args.model.endswith(".tflite") and args.model not in models.NAMES:
        import_tensorflow_quietly()
    from cry_lite.alarm_budget import choice_sentences
    from cry_tf.data import load
    from cry_tf.evaluation.alarm_calibration import calibrate_alarms

    cries = None
    if args.cries:
        cries = load(args.cries, label_column=args.label_column, group_by=args.group_by)
    made = calibrate_alarms(
        args.model,
        args.ambient,
        args.max_false_alarms_per_hour,
        cries,
        positive=args.positive,
        output=args.output,
        overwrite=args.overwrite,
        accept_few_hours=args.accept_few_hours,
        ambient_has_no_crying=args.ambient_has_no_crying,
        progress=console,
    )
    for sentence in choice_sentences(made.choice):
        console.line(sentence)
    for sentence in made.warnings:
        console.warn(sentence)
    if args.json:
        console.json(
            {
                "model": str(made.path),
                "report": str(made.report),
                **made.choice.to_dict(),
                "left_out": list(made.left_out),
                "warnings": list(made.warnings),
            }
        )
    console.line(f"written: {made.path} and {made.report.name}")
    return 1 if made.left_out else 0
