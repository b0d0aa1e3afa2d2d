"""The arguments of every command that reads labelled recordings."""

from __future__ import annotations

import argparse


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that say how DATA names its sources and labels."""
    parser.add_argument(
        "--group-by",
        metavar="COLUMN",
        help="manifest column that names the source (default: group)",
    )
    parser.add_argument(
        "--label-column",
        metavar="COLUMN",
        default="label",
        help="manifest column that names the label (default: %(default)s)",
    )
    parser.add_argument(
        "--positive",
        metavar="LABEL,...",
        type=names,
        help="labels that mean a cry, for a detector (default: well-known names)",
    )


def names(text: str) -> tuple[str, ...]:
    """Returns the names in `a,b,c`; the type of an argument.

    Raises:
        argparse.ArgumentTypeError: If there is none.
    """
    found = tuple(name.strip() for name in text.split(",") if name.strip())
    if not found:
        raise argparse.ArgumentTypeError("must name at least one label")
    return found
