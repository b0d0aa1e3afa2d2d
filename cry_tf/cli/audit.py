"""`cry-tf audit`: looks a labelled set of recordings over before training."""

from __future__ import annotations

import argparse
from typing import Any

from cry_tf.cli.console import Console
from cry_tf.cli.data_arguments import (
    add_data,
    add_data_arguments,
    add_domain,
    add_result,
    columns_of,
    origin_of,
)

_EPILOG = """\
It finds what makes figures too good: copies and slices of one recording in different
groups, sample rates that give the label away, and cries that were recorded by other
devices than the other sounds. A logistic regression on features of the channel alone
(noise floor, bandwidth, level, codec traces), cross-validated by group, shows how much
of the label the recorder tells.

examples:
  cry-tf audit recordings/
  cry-tf audit clips.csv more_recordings/ --domain device -o audited

Nothing is changed. If a clip cannot be used, the exit code is 1.
"""


def add_parser(subparsers: Any) -> None:
    """Adds the command to the parser of `cry-tf`."""
    parser = subparsers.add_parser(
        "audit",
        help="check recordings before training: formats, copies, groups, recorders",
        description="Decodes every clip and reports what can make figures too good.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_data(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        help="folder to write metrics.json, clips.csv and report.html into",
    )
    add_data_arguments(parser)
    add_domain(parser)
    add_result(parser, "result", "the findings")


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code.

    Raises:
        ValueError: If no clip can be used, or a column or label is missing.
        OSError: If something cannot be read or written.
    """
    console = Console(is_json=args.json)
    from cry_tf import auditing
    from cry_tf.data import load
    from cry_tf.runs import result_folder

    if args.output is not None:
        result_folder.check(args.output, args.overwrite)
    dataset = load(args.data, **columns_of(args))
    console.line(f"data: {dataset!r}")
    found = auditing.audit(dataset, args.positive, console)
    for problem in found.problems:
        console.warn(problem.sentence)
    for _, table in auditing.tables(found):
        console.line()
        console.table(table.header, [[*map(str, row)] for row in table.rows])
    console.line()
    for sentence in (dataset.grouping, *dataset.notes, found.bandwidth, *found.notes):
        console.line(sentence)
    for sentence in found.warnings:
        console.warn(sentence)
    if args.json:
        console.json(found.to_dict())
    if args.output is not None:
        auditing.write(
            found, args.output, args.overwrite, origin_of(args.data), console.warn
        )
        console.line(f"written: {args.output} (open report.html)")
    return 1 if found.unusable else 0
