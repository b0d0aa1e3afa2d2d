"""`cry-tf personalize`: a reason run learns one infant from a handful of clips."""

from __future__ import annotations

import argparse
from typing import Any

from cry_tf.cli.console import Console, import_tensorflow_quietly
from cry_tf.cli.data_arguments import add_data, origin_of

_EPILOG = """\
RUN is a run folder of cry-tf train --task reason. CLIPS is a folder per label
(hungry/clip.wav) or a manifest CSV, of one infant; one clip is enough. Labels are
those of the run; a label without clips stays as it was. NEW_RUN goes into cry-tf
evaluate and cry-tf export like any run.

heads:
  prototype  the mean direction of each label's clips, shrunk towards the run's. The
             default. Where the run has a dense layer, its prototypes are measured on
             the clips of its training, which must still be there.
  logreg     the run's dense layer, moved as little as the clips ask for.

The figures are of clips held out in turn; clips recorded within --minutes of one
another are near-copies, and are left out together. --study takes all infants of
CLIPS, for figures with and without clips of the infant.

examples:
  cry-tf personalize runs/reason our_baby/ -o runs/our_baby
  cry-tf personalize runs/reason diary.csv -o runs/mia --head logreg --infant mia
  cry-tf personalize runs/reason recordings/ -o studies/personal --study

The exit code is 1 if a clip could not be decoded; the others are used all the same.
"""


def add_parser(subparsers: Any) -> None:
    """Adds the command to the parser of `cry-tf`."""
    parser = subparsers.add_parser(
        "personalize",
        help="adapt a reason run to one infant",
        description=(
            "Adapts the last layer of a reason run to a few labelled clips of one "
            "infant, and says on clips held out whether that helps."
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
        help="see below (default: prototype; with --study, all that the run allows)",
    )
    parser.add_argument(
        "--study",
        action="store_true",
        help="compare seen and unseen infants over all groups of CLIPS; no model",
    )
    parser.add_argument(
        "--infant", metavar="GROUP", help="take the clips of this group only"
    )
    parser.add_argument(
        "--minutes",
        metavar="N",
        type=_minutes,
        default=2.0,
        help="clips so near in time are near-copies (default: %(default)g)",
    )
    parser.add_argument(
        "--time-column",
        metavar="COLUMN",
        help="manifest column with the time of the recording, ISO 8601 or seconds "
        "or milliseconds since 1970 "
        "(default: time, recorded_at, timestamp, or the names of donateacry)",
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
        help="shuffles behind each p-value (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", metavar="N", type=int, default=0, help="default: %(default)s"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an earlier result"
    )
    parser.add_argument(
        "--json", action="store_true", help="print the figures as JSON on stdout"
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code.

    Raises:
        ValueError: If run, clips and settings do not fit.
        OSError: If something cannot be read or written.
    """
    console = Console(is_json=args.json)
    if args.study and args.infant is not None:
        raise ValueError(
            "--study compares all infants, --infant takes one. Give one of the two."
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
    console.line(f"written: {made.run.path} (look at report.html)")
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
    console.line(f"written: {made.path} (look at report.html)")
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
