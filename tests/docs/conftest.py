"""A folder like a reader's: a few synthetic recordings, and what pages start from."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cry_tf.synthesis import (
    SAMPLE_RATE_HZ,
    draw_home,
    household_sound,
    record_cry,
    write_recordings,
)

ROOT = Path(__file__).parents[2]

# How the pages' starting points are made: by commands that the pages print too.
_TRAIN = "cry-tf train {data} -o {run} --task {task} --backbone ds_cnn_m --no-baselines"
STARTING_POINTS = {
    "runs/detect": _TRAIN.format(data="recordings/", run="runs/detect", task="detect"),
    "runs/reason": _TRAIN.format(data="reasons/", run="runs/reason", task="reason"),
    "cry.tflite": "cry-tf export runs/detect -o cry.tflite",
}
_STARTS_FROM = {"cry.tflite": ("runs/detect",)}


class Commands:
    """Runs shell blocks with the installed commands, without a network.

    Args:
        scratch: A folder for what a user has outside the working folder.
    """

    def __init__(self, scratch: Path) -> None:
        self.environment = {
            **os.environ,
            "CRY_TF_HOME": str(scratch / "cache"),
            "CRY_TF_OFFLINE": "1",
            # Whatever does not ask CRY_TF_OFFLINE meets a closed port.
            **dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9"),
            "MPLBACKEND": "Agg",
            "TF_CPP_MIN_LOG_LEVEL": "2",
        }
        # `pip install` checks that what it names is declared; CI installs it first.
        tools = scratch / "tools"
        tools.mkdir()
        pip = tools / "pip"
        script = Path(__file__).with_name("declared_pip.py")
        pip.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
        pip.chmod(0o755)
        path = [str(tools), str(Path(sys.executable).parent), os.environ["PATH"]]
        self.environment["PATH"] = os.pathsep.join(path)

    def run(self, code: str, folder: Path) -> subprocess.CompletedProcess[str]:
        """Runs the lines in bash; the first that fails ends them."""
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", code],
            cwd=folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )


class Workplace:
    """Makes folders for pages, and each starting point once.

    Args:
        folder: Where the originals are kept.
        commands: Makes the starting points.
    """

    def __init__(self, folder: Path, commands: Commands) -> None:
        self._originals = folder
        self._commands = commands
        _write_sounds(folder)

    def furnish(self, folder: Path, needs: tuple[str, ...]) -> None:
        """Copies the recordings and the starting points into a page's folder.

        Raises:
            KeyError: If there is no such starting point.
        """
        for name in needs:
            self._make(name)
        for name in (*_SOUNDS, *needs):
            source, target = self._originals / name, folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target)
            else:
                shutil.copy(source, target)
        for name in ("examples", "benchmarks", "tests", "pyproject.toml"):
            (folder / name).symlink_to(ROOT / name)

    def _make(self, name: str) -> None:
        command = STARTING_POINTS[name]
        for before in _STARTS_FROM.get(name, ()):
            self._make(before)
        if not (self._originals / name).exists():
            done = self._commands.run(command, self._originals)
            assert done.returncode == 0, f"{command}\n{done.stdout}"


_SOUNDS = (
    "recordings",
    "other_recordings",
    "reasons",
    "our_baby",
    "household",
    "night.flac",
)


def _write_sounds(root: Path) -> None:
    """Writes what a reader has: labelled folders, one infant, noises, a night."""
    sets = (
        ("recordings", "reasons", {"seed": 0, "infants": 6}),
        ("other_recordings", "our_baby", {"seed": 1, "infants": 3}),
    )
    for detection, reasons, drawn in sets:
        made = write_recordings(
            root / "made" / detection,
            **drawn,
            detection_clips=8,
            reason_clips=1,
            reason_s=2.0,
        )
        _into_folders(made.detection, root / detection)
        _into_folders(made.reasons, root / reasons, one=reasons == "our_baby")
    shutil.rmtree(root / "made")
    rng = np.random.default_rng(2)
    infant, home = draw_home("infant_night", rng)
    (root / "household").mkdir()
    for kind in ("fan", "water"):
        sound = household_sound(kind, home, 3.0, rng)
        soundfile.write(root / "household" / f"{kind}.wav", 0.3 * sound, SAMPLE_RATE_HZ)
    cry = record_cry(infant, home, "hungry", 8.0, rng)
    quiet = 1e-3 * rng.standard_normal(15 * SAMPLE_RATE_HZ)
    night = np.concatenate([quiet, cry, quiet, cry, quiet])
    soundfile.write(root / "night.flac", night, SAMPLE_RATE_HZ)


def _into_folders(manifest: Path, folder: Path, one: bool = False) -> None:
    """Moves clips into `LABEL/INFANT/clip.wav`, the layout that the pages name."""
    with manifest.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if one and row["group"] != rows[0]["group"]:
            continue
        target = folder / row["label"] / row["group"]
        target.mkdir(parents=True, exist_ok=True)
        source = manifest.parent / row["file"]
        source.rename(target / source.name)


@pytest.fixture(scope="session")
def commands(tmp_path_factory) -> Commands:
    return Commands(tmp_path_factory.mktemp("reader"))


@pytest.fixture(scope="session")
def workplace(tmp_path_factory, commands) -> Workplace:
    return Workplace(tmp_path_factory.mktemp("originals"), commands)
