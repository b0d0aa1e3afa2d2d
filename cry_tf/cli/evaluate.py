"""`cry-tf evaluate`: a finished model is judged on labelled recordings."""

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
MODEL is a run folder of cry-tf train, a .keras or a .tflite file. DATA is a folder per
label or a manifest CSV; its labels are those of the model. For a detector any labels
will do: those that mean a cry are the ones that training was told, or else known
names, or named with --positive (none: there is no cry in any recording).

The unit is a recording, a clip of some seconds or a night. It is scored in windows, as
cry-lite analyze does, whatever MODEL is; cry-tf train tells of whole clips scored at
once. For a detector a recording is a cry if an event is found in it, and each event in
one without a cry is a false alarm. When it cried within a recording is not evaluated.

examples:
  cry-tf evaluate runs/reason new_recordings/ -o judged/reason
  cry-tf evaluate cry.tflite nights.csv -o judged/nights --positive cry,fussing

The exit code is 1 if a clip could not be decoded; the others are judged all the same.
"""


def add_parser(subparsers: Any) -> None:
    """Adds the command to the parser of `cry-tf`."""
    parser = subparsers.add_parser(
        "evaluate",
        help="judge a model on labelled recordings",
        description=(
            "Scores every recording and writes metrics.json, predictions.csv and "
            "report.html, with the row that always answers the commonest label "
            "beside the model's."
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
    console.line(f"written: {found.path} (look at report.html)")
    return 1 if found.left_out else 0
