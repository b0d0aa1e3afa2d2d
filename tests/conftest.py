"""Fixtures shared by every package's tests."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def assets() -> Path:
    """The folder of real audio and weights; tests that need it skip elsewhere."""
    beside_the_project = Path(__file__).parents[2] / "shared" / "assets"
    folder = Path(os.environ.get("CRY_TF_ASSETS", beside_the_project))
    if not (folder / "data" / "MANIFEST.csv").is_file():
        pytest.skip(f"no real audio at {folder}: set CRY_TF_ASSETS to its folder")
    return folder
