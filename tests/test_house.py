"""How the modules stand to each other; the floors themselves are in pyproject.toml."""

from __future__ import annotations

import graphlib
from collections import Counter
from pathlib import Path

import grimp

PACKAGES = ("cry_tf", "cry_hub", "cry_export", "cry_lite")


def test_no_module_imports_itself_by_way_of_others():
    # Imports inside functions and for types alone count too.
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    imports = {
        name: graph.find_modules_directly_imported_by(name) for name in graph.modules
    }
    assert len(imports) > 300
    graphlib.TopologicalSorter(imports).prepare()  # CycleError names the modules


# One a family of networks, one a package; `cry_tf/cli` has a module a command.
PATTERNS = {"__init__", "presets", "porting", "audioset", "errors"}
# Still to be named apart; none is added.
SHARED_NAMES = {"comparison", "exporting", "loading", "preset", "recipe", "report"}


def test_no_two_modules_have_one_name():
    root = Path(__file__).parents[1]
    names = Counter(
        path.stem
        for folder in ("cry_tf", "hub_models", "tflite")
        for path in (root / folder).rglob("*.py")
        if path.parent.name != "cli"
    )
    twice = {name for name, count in names.items() if count > 1}
    assert twice - PATTERNS == SHARED_NAMES
