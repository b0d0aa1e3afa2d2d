"""Finds the code blocks of a Markdown page, and what stands beside them for us.

A fence of the language `sh` or `python` is run. These comments, invisible to the
reader of the page, change that:

    <!-- not run: needs a microphone -->     before a block: it is only listed
    <!-- needs: runs/detect, cry.tflite -->  anywhere: what an earlier page made

A fence of one of `SHOWN` is output or a file to look at. Every other block, also
one that is indented in place of a fence, is an error: it would escape the runner.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

RUN = ("sh", "python")
SHOWN = ("text", "json", "toml", "bibtex")

_FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>```+)(?P<language>\S*)(?P<rest>.*)$")
_NOT_RUN = re.compile(r"^\s*<!-- not run: (?P<reason>.+?) -->\s*$")
_NEEDS = re.compile(r"^\s*<!-- needs: (?P<names>.+?) -->\s*$")
_LIST_ITEM = re.compile(r"^\s*([-*+]|\d+\.) ")


@dataclass(frozen=True)
class Block:
    """A block that is run or listed.

    Attributes:
        line: Where its first line stands in the page, from 1.
        language: `sh` or `python`.
        code: Its text, without the indentation of the fence.
        not_run: Why it is not run; None if it is.
    """

    line: int
    language: str
    code: str
    not_run: str | None = None


@dataclass(frozen=True)
class Page:
    """A Markdown file.

    Attributes:
        path: The file.
        blocks: Its blocks, from top to bottom.
        needs: Names of what its blocks start from.
    """

    path: Path
    blocks: tuple[Block, ...]
    needs: tuple[str, ...]


def read_page(path: Path) -> Page:
    """Reads a page.

    Raises:
        ValueError: If a block could escape the runner; the message has its line.
    """
    blocks: list[Block] = []
    needs: list[str] = []
    reason: str | None = None
    reason_line, is_text_before = 0, False
    lines = iter(enumerate(path.read_text(encoding="utf-8").splitlines(), start=1))
    previous = ""
    for number, line in lines:
        where = f"{path.name}:{number}"
        if match := _FENCE.match(line):
            language, code = match["language"], []
            for _, inside in lines:
                if inside.strip() == match["ticks"]:
                    break
                code.append(inside.removeprefix(match["indent"]))
            else:
                raise ValueError(f"{where}: the fence is not closed.")
            if language in RUN:
                text = "\n".join(code) + "\n"
                blocks.append(Block(number + 1, language, text, reason))
            elif language not in SHOWN:
                raise ValueError(
                    f"{where}: the language of a fence must be one of {RUN + SHOWN}. "
                    f"Received: {language!r}."
                )
            elif reason:
                raise ValueError(f"{where}: a block of {language} is never run.")
            reason, is_text_before = None, False
        elif match := _NOT_RUN.match(line):
            reason, reason_line = match["reason"], number
        elif match := _NEEDS.match(line):
            needs += [name.strip() for name in match["names"].split(",")]
        elif line.strip():
            if reason is not None:
                raise ValueError(
                    f"{path.name}:{reason_line}: 'not run' must stand directly before "
                    "a block."
                )
            is_indented = line.startswith(("    ", "\t"))
            if is_indented and not previous.strip() and not is_text_before:
                raise ValueError(
                    f"{where}: an indented code block. Write a fence with a language."
                )
            is_text_before = bool(_LIST_ITEM.match(line)) or (
                is_text_before and line.startswith(" ")
            )
        previous = line
    if reason is not None:
        raise ValueError(f"{path.name}:{reason_line}: 'not run' stands before nothing.")
    return Page(path, tuple(blocks), tuple(needs))
