"""`cry-tf personalize`: adapts a reason run to one infant with a few clips."""

from __future__ import annotations

import argparse
from typing import Any

from cry_tf.cli.console import Console, import_tensorflow_quietly
from cry_tf.cli.data_arguments import add_data, add_result, add_seed, origin_of

_EPILOG = """\
RUN is a run folder of cry-tf train --task reason. CLIPS is a folder with one subfolder
per label (hungry/clip.wav), or a manifest CSV, of one infant; one clip is enough. The
labels are those of the run; a label without clips does not change. Use NEW_RUN with
cry-tf evaluate and cry-tf export like any run.

heads (--head):
  prototype  the mean embedding of each label's clips, shrunk towards the run's. The
             default. If the run has a dense layer, its prototypes are computed from
             its training clips, which must still exist.
  logreg     the run's dense layer, fitted to the clips and regularized towards the
             run's weights.

Figures are of clips held out in turn; clips recorded within --minutes of one another
are near-copies and are held out together. --study compares results with and without
clips of the infant, over all infants in CLIPS.

examples:
  cry-tf personalize runs/reason our_baby/ -o runs/our_baby
  cry-tf personalize runs/reason diary.csv -o runs/mia --head logreg --infant mia
  cry-tf personalize runs/reason recordings/ -o studies/personal --study

Clips that cannot be decoded are skipped; the exit code is then 1.
"""


def add_parser(subparsers: Any) -> None:
    """Adds the command to the parser of `cry-tf`."""
    parser = subparsers.add_parser(
        "personalize",
        help="adapt a reason run to one infant",
        description=(
            "Adapts the last layer of a reason run to a few labelled clips of one "
            "infant, and measures on held-out clips whether that helps."
        ),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", metavar="RUN", help="run folder of cry-tf train")
    add_data(parser, "clips")
    parser.add_argument(
        "-o", "--output", metavar="NEW_RUN", required=True, help="folder to write"
    )
    parser.add_argument(
        "--head",
        choices=("prototype", "logreg"),
        help="classifier to fit, see below (default: prototype; with --study, all that "
        "the run allows)",
    )
    parser.add_argument(
        "--study",
        action="store_true",
        help="compare seen and unseen infants over all groups of CLIPS; no model",
    )
    parser.add_argument(
        "--infant", metavar="GROUP", help="use only the clips of this group"
    )
    parser.add_argument(
        "--minutes",
        metavar="N",
        type=_minutes,
        default=2.0,
        help="clips recorded within N minutes of one another are held out together, "
        "float >= 0 (default: %(default)g)",
    )
    parser.add_argument(
        "--time-column",
        metavar="COLUMN",
        help="manifest column with the time of the recording: ISO 8601, or seconds or "
        "milliseconds since 1970 (default: time, recorded_at, timestamp, or the file "
        "names of donateacry)",
    )
    parser.add_argument(
        "--group-by",
        metavar="COLUMN",
        help="manifest column of the recording, or of the infant with --infant and "
        "--study (default: group)",
    )
    parser.add_argument(
        "--label-column",
        metavar="COLUMN",
        default="label",
        help="manifest column that names the label (default: %(default)s)",
    )
    parser.add_argument(
        "--permutations",
        metavar="N",
        type=_positive,
        default=1000,
        help="permutations per p-value, int >= 1 (default: %(default)s)",
    )
    add_seed(parser)
    add_result(parser, "result", "the figures")


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code.

    Raises:
        ValueError: If run, clips and settings do not fit each other.
        OSError: If something cannot be read or written.
    """
    console = Console(is_json=args.json)
    if args.study and args.infant is not None:
        raise ValueError(
            "--study compares all infants, --infant selects one. Give only one of them."
        )
    from cry_tf.data import load
    from cry_tf.runs import result_folder

    result_folder.check(args.output, args.overwrite)
    dataset = load(args.clips, label_column=args.label_column, group_by=args.group_by)
    import_tensorflow_quietly()
    shared = {
        "minutes": args.minutes,
        "time_column": args.time_column,
        "permutations": args.permutations,
        "seed": args.seed,
        "overwrite": args.overwrite,
        "progress": console,
        "origin": origin_of(args.clips),
    }
    if args.study:
        return _study(args, dataset, console, shared)
    from cry_tf.studies.personal.infants import of_infant
    from cry_tf.studies.personal.personalize import personalize

    if args.infant is not None:
        dataset = of_infant(dataset, args.infant)
    head = args.head or "prototype"
    made = personalize(args.run, dataset, args.output, head=head, **shared)
    if args.json:
        console.json(
            {
                "run": str(made.run.path),
                "warnings": list(made.warnings),
                "personal": made.run.metrics["personal"],
            }
        )
    console.line(f"written: {made.run.path} (open report.html)")
    return 1 if made.left_out else 0


def _study(
    args: argparse.Namespace, dataset: Any, console: Console, shared: dict[str, Any]
) -> int:
    from cry_tf.studies.personal.study import study

    heads = None if args.head is None else (args.head,)
    made = study(args.run, dataset, args.output, heads=heads, **shared)
    if args.json:
        comparisons = [entry.to_dict() for entry in made.comparisons]
        console.json({"output": str(made.path), "comparisons": comparisons})
    console.line(f"written: {made.path} (open report.html)")
    return 1 if made.left_out else 0


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = -1.0
    if not minutes >= 0:
        raise argparse.ArgumentTypeError(
            f"must be a number of minutes, at least 0. Received: {text!r}"
        )
    return minutes


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1. Received: {text!r}")
    return int(text)
