"""`cry-tf benchmark`: compares exported files."""

from __future__ import annotations

import argparse
import os
from typing import Any

from cry_tf.cli.console import Console
from cry_tf.cli.data_arguments import add_data_arguments, add_result

_EPILOG = """\
Each file runs in a separate process, alternating with the others. The table lists size
(stored and compressed), load time, first and median run, and peak memory. With --data
it also lists the accuracy on labelled clips, and the page plots accuracy against size
and speed. Speeds are those of this machine; on a device run cry-lite benchmark.

examples:
  cry-tf benchmark cry.tflite phone.tflite
  cry-tf benchmark exports/*.tflite --data new_recordings/ -o compared --threads 4

The exit code is 1 if a file cannot be run here.
"""


def add_parser(subparsers: Any) -> None:
    """Adds the command to the parser of `cry-tf`."""
    parser = subparsers.add_parser(
        "benchmark",
        help="compare exported files: size, speed, memory, accuracy",
        description="Compares exported files by size, speed, memory and accuracy.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "files", nargs="+", metavar="FILE.tflite", help="files that cry-tf export wrote"
    )
    parser.add_argument(
        "--threads",
        type=_positive,
        metavar="N",
        default=min(4, os.cpu_count() or 1),
        help="threads of a second measurement, besides one thread, int >= 1 "
        "(default: %(default)s on this machine)",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        metavar="S",
        help="length of the audio in a run, for files that take any length "
        "(default: the file's window)",
    )
    parser.add_argument(
        "--data",
        metavar="DATA",
        action="append",
        help="labelled clips: folder per label or manifest; may be given several times",
    )
    add_data_arguments(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        help="also write metrics.json and benchmark.html into DIR",
    )
    add_result(parser, "result", "the figures")


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code.

    Raises:
        ValueError: If a file cannot be run, or the data do not fit.
        OSError: If something cannot be read or written.
    """
    console = Console(is_json=args.json)
    from cry_tf.benchmarking import benchmark_page
    from cry_tf.benchmarking.comparing import compare
    from cry_tf.reports import pages
    from cry_tf.runs import result_folder

    if args.output is not None:
        result_folder.check(args.output, args.overwrite)
    dataset = None
    if args.data is not None:
        from cry_tf.data import load

        dataset = load(
            args.data, label_column=args.label_column, group_by=args.group_by
        )
    found = compare(
        args.files,
        dataset=dataset,
        positive=args.positive,
        threads=sorted({1, args.threads}),
        seconds=args.seconds,
        progress=console,
    )
    for sentence in found.warnings:
        console.warn(sentence)
    console.table(benchmark_page.header(found), benchmark_page.rows(found), 2)
    for sentence in benchmark_page.sentences(found):
        console.line(f"  {sentence}")
    if args.output is not None:
        with result_folder.writing(args.output, args.overwrite) as part:
            result_folder.write_json(part / result_folder.MARK, found.to_dict())
            pages.write(
                part / "benchmark.html",
                lambda: benchmark_page.render(found),
                console.warn,
            )
        console.line(f"written: {args.output} (open benchmark.html)")
    if args.json:
        console.json(found.to_dict())
    return 0


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(
            f"must be a whole number >= 1. Received: {text!r}"
        )
    return int(text)
