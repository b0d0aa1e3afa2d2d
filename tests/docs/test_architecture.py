"""The packages and modules that the pages name against the tree."""

from __future__ import annotations

import re

import pytest

from .test_documented_blocks import ROOT

PACKAGES = ("cry_tf", "hub_models/cry_hub", "tflite/cry_lite", "tflite/cry_export")
_PATH = re.compile(r"`((?:cry_tf|hub_models|tflite|tests|benchmarks)/[a-z0-9_./]+)`")


def _named(page: str) -> set[str]:
    """Returns the paths that a page names in code, without placeholders."""
    return set(_PATH.findall((ROOT / page).read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_what_a_page_names_is_there(page):
    named = _named(page)
    assert named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_the_architecture_page_names_every_package(package):
    below = {
        path.parent.relative_to(ROOT).as_posix()
        for path in (ROOT / package).glob("*/__init__.py")
    }
    assert below <= _named("docs/architecture.md")
