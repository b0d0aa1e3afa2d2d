"""Stands for `pip` in documented commands: checks names, installs nothing.

`pip install` must name this project (`.`, with `-e` or without, or `cry-tf`), with
extras that pyproject.toml declares, or a package of `OTHERS`.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

OTHERS = ("tensorboard",)

if __name__ == "__main__":
    command, *names = (argument for argument in sys.argv[1:] if argument != "-e")
    if command != "install" or not names:
        sys.exit(f"pip install NAME is all that is known. Received: {sys.argv[1:]}")
    project = tomllib.loads(
        (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    )["project"]
    for name in names:
        match = re.fullmatch(r"(?:\.|cry-tf)(?:\[([a-z,]+)\])?", name)
        extras = set(filter(None, (match[1] or "").split(","))) if match else set()
        unknown = extras - set(project["optional-dependencies"])
        if unknown or not (match or name in OTHERS):
            sys.exit(f"{name} is nothing that this project declares: {unknown or name}")
