"""`cry-tf evaluate`: evaluates a finished model on labelled recordings."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from cry_tf.cli.console import Console, import_tensorflow_quietly
from cry_tf.cli.data_arguments import (
    add_data,
    add_data_arguments,
    origin_of,
)

_EPILOG = """\
MODEL is a run folder of cry-tf train, a .keras or a .tflite file. DATA is a folder with
one subfolder per label, or a manifest CSV, with the labels of the model. For a detector
the labels may be others: --positive names those that mean crying (none: no recording
contains crying). Default: the ones that the model was trained with, or known names.

Each recording, a clip or a whole night, gets one answer. It is scored in windows, as by
cry-lite analyze; the figures of cry-tf train are of whole clips scored at once. A
detector's answer is "crying" if it detects an event. Each event in a recording without
crying is a false alarm. Times of crying within a recording are not evaluated.

examples:
  cry-tf evaluate runs/reason new_recordings/ -o evaluated/reason
  cry-tf evaluate cry.tflite nights.csv -o evaluated/nights --positive cry,fussing

Clips that cannot be decoded are skipped; the exit code is then 1.
"""


def add_parser(subparsers: Any) -> None:
    """Adds the command to the parser of `cry-tf`."""
    parser = subparsers.add_parser(
        "evaluate",
        help="evaluate a model on labelled recordings",
        description=(
            "Scores every recording and writes metrics.json, predictions.csv and "
            "report.html. The report compares the model with always answering the "
            "commonest label."
        ),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="run folder, .keras or .tflite")
    add_data(parser)
    parser.add_argument(
        "-o", "--output", metavar="DIR", required=True, help="folder to write"
    )
    add_data_arguments(parser)
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an earlier result"
    )
    parser.add_argument(
        "--json", action="store_true", help="print the metrics as JSON on stdout"
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code.

    Raises:
        ValueError: If the data do not fit the model.
        OSError: If something cannot be read or written.
    """
    console = Console(is_json=args.json)
    from cry_tf.data import load
    from cry_tf.runs import result_folder

    result_folder.check(args.output, args.overwrite)
    dataset = load(args.data, label_column=args.label_column, group_by=args.group_by)
    if Path(args.model).suffix != ".tflite":
        import_tensorflow_quietly()
    from cry_tf.evaluation.judgement import judge
    from cry_tf.evaluation.scorer import load_scorer

    found = judge(
        load_scorer(args.model),
        dataset,
        args.output,
        positive=args.positive,
        overwrite=args.overwrite,
        progress=console,
        origin=origin_of(args.data),
    )
    if args.json:
        console.json({"output": str(found.path), "metrics": found.metrics.to_dict()})
    if found.left_out:
        console.warn(f"{len(found.left_out)} clips could not be decoded")
    console.line(f"written: {found.path} (open report.html)")
    return 1 if found.left_out else 0
