"""The arguments of every command that reads labelled recordings."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def add_data(parser: argparse.ArgumentParser, name: str = "data", nargs: str = "+"):
    """Adds DATA itself: one folder or manifest, or several."""
    parser.add_argument(
        name,
        metavar=name.upper(),
        nargs=nargs,
        help="folder per label or manifest CSV; several are put together",
    )


def origin_of(paths: Sequence[str]) -> str:
    """Returns where DATA is, for the record of what was made of it."""
    return ", ".join(str(Path(path).expanduser().absolute()) for path in paths)


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
        action=Together,
        help="labels that mean a cry, for a detector (default: well-known names); may "
        "be given again, and a comma in a label is written \\,",
    )


class Together(argparse.Action):
    """Puts together the names of an argument that is given several times."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: Any = None):
        """Adds the names to those that came before."""
        earlier = getattr(namespace, self.dest) or ()
        setattr(namespace, self.dest, earlier + values)


def names(text: str) -> tuple[str, ...]:
    r"""Returns the names in `a,b,c`; the type of an argument.

    A comma that belongs to a name is written `\,`.

    Raises:
        argparse.ArgumentTypeError: If there is none.
    """
    parts = re.split(r"(?<!\\),", text)
    found = tuple(part.replace("\\,", ",").strip() for part in parts if part.strip())
    if not found:
        raise argparse.ArgumentTypeError("must name at least one label")
    return found
