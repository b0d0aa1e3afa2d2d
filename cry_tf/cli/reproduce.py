"""`cry-tf reproduce`: reproduces the result tables of two papers."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from cry_tf.cli.console import Console, import_tensorflow_quietly
from cry_tf.cli.data_arguments import (
    add_data,
    add_data_arguments,
    add_seed,
    origin_of,
)

_EPILOG = """\
Every row runs twice: with folds of clips, as in the papers, and with folds that keep
each infant in one fold. Finished rows are saved in DIR/rows; after an interruption
continue with the same command. Rows whose weights are not installed are marked: nothing
is downloaded or substituted.

Writes tables.json, tables.md and report.html into DIR.

papers:
  infantcrynet   Tables 2-5: detection, architectures, five poolings, compression by
                 distillation and quantization. Table 2 also needs clips without
                 crying. Additional rows: CNN14 as the teacher of ds_cnn_m and
                 ds_cnn_s, and Table 5 without pretraining (--rows scratch_teacher,
                 scratch_distilled,... need no weights).
  vggish         Tables 2-3: five folds; precision, recall and F1 of each label, also
                 without pretraining (--rows scratch).

examples:
  cry-tf reproduce infantcrynet recordings/ -o tables/infantcrynet --budget small
  cry-tf reproduce infantcrynet recordings/ -o tables/poolings --rows max,average
  cry-tf reproduce infantcrynet recordings/ -o tables/y --stand-in yamnet_audioset
  cry-tf reproduce infantcrynet recordings/ -o tables/small --budget small \\
      --rows teacher,quantized,distilled,quantized_distilled,ds_cnn_m_distilled
  cry-tf reproduce vggish --synthetic paper_set/ -o tables/vggish --budget small
"""


def add_parser(subparsers: Any) -> None:
    """Adds the command to the parser of `cry-tf`."""
    parser = subparsers.add_parser(
        "reproduce",
        help="reproduce the result tables of two papers",
        description=(
            "Runs every row of a paper's tables on your recordings, with folds by "
            "clip (as in the paper) and by infant, and lists the paper's figures too."
        ),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "paper", choices=("infantcrynet", "vggish"), help="paper, see below"
    )
    add_data(parser, nargs="*")
    parser.add_argument("-o", "--output", metavar="DIR", help="folder to write")
    parser.add_argument(
        "--synthetic",
        metavar="DIR",
        help="use a synthetic set with the counts of the vggish paper instead of DATA; "
        "it is written into DIR if missing; without -o nothing else is done",
    )
    parser.add_argument(
        "--budget",
        choices=("tiny", "small", "full"),
        default="full",
        help="small: fewer epochs, folds and seconds; tiny: fewer still, and smaller "
        "batches; the tables name the budget (default: %(default)s)",
    )
    parser.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        help="number format in training; bfloat16 is faster on processors that support "
        "it (default: the recipe's)",
    )
    parser.add_argument("--rows", metavar="NAME,...", help="rows to run (default: all)")
    parser.add_argument(
        "--stand-in",
        metavar="PRESET",
        help="network to use instead of the paper's (CNN14, VGGish) if its weights are "
        "not available; every row and the report name it",
    )
    add_seed(parser)
    add_data_arguments(parser)
    parser.add_argument(
        "--json", action="store_true", help="print the tables as JSON on stdout"
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code.

    Raises:
        ValueError: If an argument is unknown or the data cannot work.
        OSError: If something cannot be read or written.
    """
    console = Console(is_json=args.json)
    _check(args)
    data = args.data
    if args.synthetic is not None:
        data = [_synthetic(args, console)]
        if args.output is None:
            return 0
    from cry_tf.papers import papers
    from cry_tf.studies.reproduce import budget

    paper = papers.get(args.paper)
    if args.stand_in is not None:
        paper = papers.with_stand_in(paper, args.stand_in)
    names = None
    if args.rows is not None:
        names = [name.strip() for name in args.rows.split(",") if name.strip()]
    papers.choose(paper, names)  # before the clips are read
    from cry_tf.data import load

    dataset = load(data, label_column=args.label_column, group_by=args.group_by)
    import_tensorflow_quietly()
    from cry_tf.studies.reproduce import paper_tables
    from cry_tf.studies.reproduce.reproduction import reproduce

    output = Path(args.output).expanduser().absolute()
    try:
        found = reproduce(
            paper,
            dataset,
            output,
            budget=dataclasses.replace(
                budget.get(args.budget), precision=args.precision
            ),
            rows=names,
            seed=args.seed,
            positive=args.positive,
            progress=console,
            origin=origin_of(data),
        )
    except KeyboardInterrupt:
        console.warn(
            f"Finished rows are saved in {output}. Continue with the same command."
        )
        raise
    if args.json:
        console.json(json.loads((output / paper_tables.TABLES).read_text("utf-8")))
    paper_tables.print_tables(console, found)
    console.line(f"written: {output} (open report.html)")
    return 0


def _check(args: argparse.Namespace) -> None:
    if bool(args.data) == (args.synthetic is not None):
        raise ValueError(
            "Give either DATA or --synthetic DIR. Received: "
            f"{'both' if args.data else 'neither'}."
        )
    if args.output is None and args.data:
        raise ValueError("-o DIR, the folder to write the tables into, is required.")
    if args.seed < 0:
        raise ValueError(f"seed must be 0 or more. Received: seed={args.seed}.")


def _synthetic(args: argparse.Namespace, console: Console) -> str:
    """Writes the synthetic set if it is missing, and returns its folder."""
    from cry_tf.synthesis import PAPER_INFANTS, write_paper_set

    folder = Path(args.synthetic).expanduser()
    if not (folder / "paper_set.json").is_file() and (folder / "manifest.csv").exists():
        raise FileExistsError(
            f"--synthetic must name a folder for a synthetic set. {folder} holds other "
            "recordings; give them as DATA."
        )
    if not (folder / "manifest.csv").is_file():
        with console.bar("synthetic infants", len(PAPER_INFANTS)) as advance:
            write_paper_set(folder, seed=args.seed, advance=advance)
    console.line(f"synthetic set (no recordings of infants): {folder}")
    return str(folder)
