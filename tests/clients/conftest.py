"""What `write_exports.py` wrote, as MediaPipe's environment sees it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

FOLDER_VARIABLE = "CRY_TF_CLIENT_FILES"


@pytest.fixture(scope="session")
def folder() -> Path:
    return _folder()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs a test that takes `exported` once for each file."""
    if "exported" in metafunc.fixturenames:
        expected = json.loads((_folder() / "expected.json").read_text())
        names = [file["file"] for file in expected["files"]]
        metafunc.parametrize("exported", expected["files"], ids=names)


def _folder() -> Path:
    if FOLDER_VARIABLE not in os.environ:
        raise pytest.UsageError(
            f"{FOLDER_VARIABLE} must name a folder that write_exports.py wrote."
        )
    return Path(os.environ[FOLDER_VARIABLE])
