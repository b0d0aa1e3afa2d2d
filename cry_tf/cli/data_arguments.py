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
        help="labelled recordings: a folder with one subfolder per label, or a "
        "manifest CSV; several are combined",
    )


def origin_of(paths: Sequence[str]) -> str:
    """Returns the absolute paths of DATA, for the record of the run."""
    return ", ".join(str(Path(path).expanduser().absolute()) for path in paths)


def add_domain(parser: argparse.ArgumentParser) -> None:
    """Adds the argument for the column of the recorder or data set."""
    parser.add_argument(
        "--domain",
        metavar="COLUMN",
        help="manifest column that names the recorder or data set of a recording, for "
        "figures by domain (default: dataset; without it, each of several DATA is a "
        "domain)",
    )


def columns_of(args: argparse.Namespace) -> dict[str, Any]:
    """Returns the columns of the manifest as `cry_tf.data.load` takes them."""
    return {
        "label_column": args.label_column,
        "group_by": args.group_by,
        "domain_by": args.domain,
    }


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments for the columns and labels of DATA."""
    parser.add_argument(
        "--group-by",
        metavar="COLUMN",
        help="manifest column that names the source of a recording (infant, device), "
        "which is never in training and test at once (default: group)",
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
        help="for a detector: labels that mean crying (default: known names such as "
        "cry); can be repeated; write a comma inside a label as \\,",
    )


def add_seed(parser: argparse.ArgumentParser) -> None:
    """Adds `--seed`, 0 without it."""
    parser.add_argument(
        "--seed",
        metavar="N",
        type=int,
        default=0,
        help="seed of every random choice, int >= 0 (default: %(default)s)",
    )


def add_result(parser: argparse.ArgumentParser, replaced: str, printed: str) -> None:
    """Adds `--overwrite`, which replaces something earlier, and `--json`."""
    parser.add_argument(
        "--overwrite", action="store_true", help=f"replace an earlier {replaced}"
    )
    parser.add_argument(
        "--json", action="store_true", help=f"print {printed} as JSON on stdout"
    )


class Together(argparse.Action):
    """Collects the names of an argument that is given several times."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: Any = None):
        """Adds the names to the earlier ones."""
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
