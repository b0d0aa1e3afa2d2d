"""The folder of a reproduction: tables for a person and for a machine."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from cry_tf.reports import pages
from cry_tf.reports import tables as report_tables
from cry_tf.reproduce.papers import Paper
from cry_tf.reproduce.reproduced import Reproduced
from cry_tf.reproduce.tables import Table, tables
from cry_tf.reproduce.tables_json import FORMAT, to_dict
from cry_tf.runs.progress import Listener
from cry_tf.runs.provenance import versions
from cry_tf.runs.result_folder import write_json

TABLES = "tables.json"
INTERVALS = (
    "95 % interval, 1,000 bootstrap draws of whole infants (groups) in "
    "both columns; none for one infant. Where n, infants or the commonest label's "
    "score differ, by clip / by infant."
)


def check(path: Path, paper: Paper) -> None:
    """Refuses a folder that holds anything but an earlier call for this paper.

    Raises:
        FileExistsError: If it does.
    """
    if not path.exists():
        return
    if not path.is_dir():
        raise FileExistsError(f"The output must be a folder. {path} is a file.")
    if not any(path.iterdir()):
        return
    try:
        held = json.loads((path / TABLES).read_text("utf-8"))
        name = held["paper"] if held["format"] == FORMAT else None
    except (OSError, ValueError, KeyError, TypeError):
        name = None
    if name != paper.name:
        raise FileExistsError(
            f"The output must be a new folder, or one where {paper.name} was "
            f"reproduced before. {path} holds "
            f"{f'the tables of {name}' if name else 'something else'}, which is left "
            "alone. Choose another folder."
        )


def write(path: Path, found: Reproduced, warn: Callable[[str], None]) -> None:
    """Writes `tables.json`, `tables.md` and `report.html`, each whole.

    Args:
        path: The folder.
        found: The tables as far as they are done.
        warn: Takes a line if the report cannot be written; the rest stays.

    Raises:
        OSError: If one cannot be written.
    """
    path.mkdir(parents=True, exist_ok=True)
    part = path / (TABLES + ".part")
    write_json(part, to_dict(found))
    os.replace(part, path / TABLES)
    part = path / "tables.md.part"
    part.write_text(_markdown(found), encoding="utf-8")
    os.replace(part, path / "tables.md")
    pages.write(path / "report.html", lambda: _html(found), warn)


def tell(listener: Listener, found: Reproduced) -> None:
    """Tells the tables on a terminal."""
    for made in tables(found):
        listener.line()
        listener.line(made.title)
        if made.rows:
            listener.table(made.header, made.rows)
        for note in made.notes:
            listener.line(f"  {note}")
    listener.line()
    listener.line(f"  (in brackets: {INTERVALS})")
    for sentence in (*found.budgets, *found.warnings):
        listener.line(f"  {sentence}")
    listener.line()


def _title(found: Reproduced) -> str:
    kind = ", on synthetic clips" if found.is_synthetic else ""
    return f"The tables of {found.paper.name}, theirs beside ours{kind}"


def _markdown(found: Reproduced) -> str:
    parts = [f"# {_title(found)}", found.paper.citation, found.paper.setup]
    parts += [f"> **{sentence}**" for sentence in found.warnings]
    parts += list(found.budgets)
    for made in tables(found):
        parts += [f"## {made.title}"]
        parts += [_markdown_table(made)] if made.rows else []
        parts += ["\n".join(f"- {note}" for note in made.notes)] if made.notes else []
    parts += [f"In brackets: {INTERVALS}"]
    parts += ["\n".join(f"- {name}: {value}" for name, value in _facts(found))]
    return "\n\n".join(parts) + "\n"


def _markdown_table(made: Table) -> str:
    lines = [made.header, ("---", *["---:"] * (len(made.header) - 1)), *made.rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |"
        for line in lines
    )


def _html(found: Reproduced) -> str:
    return pages.render(
        "reproduction.html",
        title=_title(found),
        lead=f"{found.paper.citation}. {found.paper.setup}",
        warnings=(*found.warnings, *found.budgets),
        tables=[
            (
                made.title,
                report_tables.Table(
                    made.header,
                    [[report_tables.split(cell) for cell in row] for row in made.rows],
                ),
                made.notes,
            )
            for made in tables(found)
        ],
        intervals=INTERVALS,
        facts=_facts(found),
    )


def _facts(found: Reproduced) -> list[tuple[str, str]]:
    data = found.dataset
    recipes = dict.fromkeys(row.recipe for row in found.rows)
    return [
        ("data", f"{found.origin or 'a Dataset'}, sha256 {found.data_sha256}"),
        ("clips", f"{data!r}, {found.left_out} left out"),
        ("groups", data.grouping),
        ("recipe", f"{', '.join(recipes)}; tables.json has every number of it"),
        ("seed", str(found.seed)),
        ("versions", ", ".join(f"{k} {v}" for k, v in versions().items())),
    ]
