"""How the modules stand to each other; the floors themselves are in pyproject.toml."""

from __future__ import annotations

import ast
import graphlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import grimp

PACKAGES = ("cry_tf", "cry_hub", "cry_export", "cry_lite")

# Module names that may occur more than once, because a pattern repeats.
PATTERNS = {
    "__init__",
    "audioset",  # the AudioSet head of a family of networks
    "errors",  # the exceptions of a package
    "porting",  # reads the published weights of a family
    "presets",  # the presets of a family
}


def modules() -> Iterator[Path]:
    root = Path(__file__).parents[1]
    for folder in ("cry_tf", "hub_models", "tflite"):
        yield from (root / folder).rglob("*.py")


def more_than_one(names: Iterator[str]) -> set[str]:
    return {name for name, count in Counter(names).items() if count > 1}


def test_no_module_imports_itself_by_way_of_others():
    # Imports inside functions and for types alone count too.
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    imports = {
        name: graph.find_modules_directly_imported_by(name) for name in graph.modules
    }
    assert len(imports) > 300
    graphlib.TopologicalSorter(imports).prepare()  # CycleError names the modules


def test_no_two_modules_have_one_name():
    # A module of `cry_tf/cli` has the name of its command, as what it runs may have.
    names = (path.stem for path in modules() if path.parent.name != "cli")
    assert more_than_one(names) == PATTERNS


def test_no_two_public_classes_have_one_name():
    # Over all four packages, so that a name in a report or an error is one thing.
    names = [
        node.name
        for path in modules()
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]
    assert len(names) > 300
    assert more_than_one(iter(names)) == set()
