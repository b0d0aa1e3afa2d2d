"""How the modules stand to each other; the floors themselves are in pyproject.toml."""

from __future__ import annotations

import graphlib

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
