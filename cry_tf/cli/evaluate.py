"""`cry-tf evaluate`: evaluates a finished model on labelled recordings."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from cry_tf.cli.console import Console, import_tensorflow_quietly
from cry_tf.cli.data_arguments import (
    add_data,
    add_data_arguments,
    add_domain,
    add_result,
    columns_of,
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

With --events, DATA are recordings without labels (sound files, folders of them,
manifests), and the events say when there is crying in them: a table with the columns
file, start_s, end_s and perhaps label; or an Audacity label track or a Praat TextGrid
with the name of its recording. A recording that a table does not name has no crying.
Annotated cries with pauses below --merge-gap are one bout. The result is the recall of
bouts against false alarms an hour at every threshold, the delay, event-F1,
intersection-F1, segment-F1 and PSDS, with intervals by recording.

examples:
  cry-tf evaluate runs/reason new_recordings/ -o evaluated/reason
  cry-tf evaluate cry.tflite nights.csv -o evaluated/nights --positive cry,fussing
  cry-tf evaluate cry.tflite nights/ --events nights/events.csv -o evaluated/times

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
    add_domain(parser)
    parser.add_argument(
        "--events",
        nargs="+",
        metavar="EVENTS",
        help="when there is crying in the recordings: tables, Audacity label tracks, "
        "TextGrids, or folders of them",
    )
    parser.add_argument(
        "--merge-gap",
        type=float,
        metavar="SECONDS",
        help="with --events: annotated cries with a shorter pause between them are one "
        "bout; 0 joins none (default: 5)",
    )
    parser.add_argument(
        "--by",
        metavar="COLUMN",
        help="with --events: list the recall for each value of a column of the tables",
    )
    add_result(parser, "result", "the metrics")


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
    if args.events:
        return _run_on_events(args, console)
    if args.merge_gap is not None or args.by is not None:
        raise ValueError("--merge-gap and --by are for an evaluation with --events.")
    dataset = load(args.data, **columns_of(args))
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
        console.json({"output": str(found.path), "metrics": found.to_dict()})
    if found.left_out:
        console.warn(f"{len(found.left_out)} clips could not be decoded")
    console.line(f"written: {found.path} (open report.html)")
    return 1 if found.left_out else 0


def _run_on_events(args: argparse.Namespace, console: Console) -> int:
    """Evaluates when a detector detects crying."""
    from cry_tf.data import event_files

    if (args.group_by, args.label_column, args.domain) != (None, "label", None):
        raise ValueError(
            "With --events recordings have no manifest: leave out --group-by, "
            "--label-column and --domain."
        )
    annotated = event_files.read(args.events)
    if Path(args.model).suffix != ".tflite":
        import_tensorflow_quietly()
    from cry_tf.evaluation.alarm_curve import MERGE_GAP_S
    from cry_tf.evaluation.event_judgement import find_recordings, judge_events
    from cry_tf.evaluation.scorer import load_scorer

    found = judge_events(
        load_scorer(args.model),
        find_recordings(args.data),
        annotated,
        args.output,
        merge_gap_s=MERGE_GAP_S if args.merge_gap is None else args.merge_gap,
        positive=args.positive,
        by=args.by,
        overwrite=args.overwrite,
        progress=console,
        origin=f"{origin_of(args.data)}; events: {origin_of(args.events)}",
    )
    if args.json:
        console.json({"output": str(found.path), "events": found.figures.to_dict()})
    console.line(f"written: {found.path} (open report.html)")
    return 1 if found.left_out else 0
