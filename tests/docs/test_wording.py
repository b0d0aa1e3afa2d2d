from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from .test_documented_blocks import PAGES, ROOT

# What readers asked about; on the right what is meant.
UNCLEAR = {
    r"\bhear(s|ing)?\b|\bheard\b": "detects, scores, contains",
    r"\bcom(e|es|ing) along\b": "is included",
    r"\bjudg(e|es|ed)\b": "evaluate",
    r"\bbegins? from\b": "start from",
}


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 700


@pytest.mark.parametrize(
    "path", [p for p in PAGES if p.name != "CHANGELOG.md"], ids=lambda p: p.name
)
def test_pages_say_it_in_the_words_of_the_field(path):
    text = path.read_text(encoding="utf-8")
    prose = re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)
    for pattern, instead in UNCLEAR.items():
        found = re.search(pattern, prose, flags=re.IGNORECASE)
        assert found is None, f"{found and found[0]!r}: write {instead}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["install", "cry-tf[nothing]"], "declares: {'nothing'}"),
        (["install", "numpy"], "declares: numpy"),
        (["uninstall", "."], "all that is known"),
    ],
)
def test_an_install_line_names_what_the_project_declares(arguments, message):
    script = Path(__file__).with_name("declared_pip.py")
    done = subprocess.run(
        [sys.executable, str(script), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert message in done.stderr
