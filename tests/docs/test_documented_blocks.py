"""Runs every code block of the README and of the documentation, as printed.

The blocks of a page run from top to bottom in one folder that holds a few synthetic
recordings, without a network. What a Python block defines is there in the next. The
columns of the reports that they write must stand in the glossary.
`pytest -m docs` runs them, `-rA` lists the blocks that are marked as not run.
"""

from __future__ import annotations

import contextlib
import html
import io
import re
import traceback
from pathlib import Path
from typing import Any

import pytest

from .markdown_blocks import Block, Page, read_page

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("examples/*/README.md"),
        ROOT / "tests" / "README.md",
    ]
)


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.docs
@pytest.mark.parametrize("path", PAGES, ids=_name)
def test_every_block_of_the_page_runs(path, commands, workplace, tmp_path, monkeypatch):
    page = read_page(path)
    if not any(block.not_run is None for block in page.blocks):
        _list_marked(page)
        pytest.skip("no block of it is run")
    workplace.furnish(tmp_path, page.needs)
    for name in ("CRY_TF_HOME", "CRY_TF_OFFLINE"):
        monkeypatch.setenv(name, commands.environment[name])
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in page.blocks:
        if block.not_run is not None:
            continue
        where = f"{_name(path)}:{block.line}"
        if block.language == "sh":
            done = commands.run(block.code, tmp_path)
            said, failed = done.stdout, done.returncode != 0
        else:
            said, failed = _run_python(block, path, names)
        print(f"-- {where}\n{block.code}\n{said}")
        if failed:
            pytest.fail(f"{where} fails:\n{block.code}\n{said}", pytrace=False)
    _list_marked(page)
    unexplained = _columns(tmp_path) - _glossary()
    assert not unexplained, f"docs/glossary.md lacks the columns {unexplained}"


def _columns(folder: Path) -> set[str]:
    """Returns the titles of the columns of every report, without numbers of threads."""
    titles = set()
    for report in folder.rglob("*.html"):
        if report.is_relative_to(folder / "examples"):
            continue
        cells = re.findall(r"<th\b[^>]*>(.*?)</th>", report.read_text("utf-8"), re.S)
        titles.update(html.unescape(cell).split(",")[0].strip() for cell in cells)
    return titles - {""}


def _glossary() -> set[str]:
    """Returns the words of the first column of the glossary's tables."""
    lines = (ROOT / "docs" / "glossary.md").read_text("utf-8").splitlines()
    cells = [line.split("|")[1] for line in lines if line.startswith("|")]
    return {word.strip() for cell in cells for word in cell.split(",")}


def _run_python(block: Block, path: Path, names: dict[str, Any]) -> tuple[str, bool]:
    said = io.StringIO()
    # Empty lines before it, so that a traceback names the line of the page.
    code = "\n" * (block.line - 1) + block.code
    with contextlib.redirect_stdout(said):
        try:
            exec(compile(code, str(path), "exec"), names)
        except Exception:
            said.write(traceback.format_exc())
            return said.getvalue(), True
    return said.getvalue(), False


def _list_marked(page: Page) -> None:
    for block in page.blocks:
        if block.not_run is not None:
            print(f"not run: {_name(page.path)}:{block.line}: {block.not_run}")
