"""A device installs no TensorFlow: a fresh interpreter must never look for it."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import soundfile

FORBIDDEN = ("tensorflow", "keras", "tensorflow_hub", "librosa", "sklearn", "rich")

SCRIPT = """
import importlib, json, pkgutil, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in %r:
            raise AssertionError(f"the runtime tried to import {name}")

sys.meta_path.insert(0, Refuse())
import cry_lite
found = pkgutil.walk_packages(cry_lite.__path__, "cry_lite.")
names = [module.name for module in found]
for name in names:
    importlib.import_module(name)
from cry_lite.cli import main
code = main(["analyze", sys.argv[1], "--model", sys.argv[2]])
print(json.dumps({"names": names, "code": code, "modules": sorted(sys.modules)}))
"""


def run(script: str, *args: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", script, *args],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_whole_runtime_runs_without_tensorflow(model_file, tmp_path, rng):
    path = tmp_path / "a.wav"
    soundfile.write(path, rng.uniform(-0.4, 0.4, 44_100), 44_100)
    *said, last = run(SCRIPT % (FORBIDDEN,), str(path), str(model_file))
    assert said[1] == "  crying 0.0-1.0 s (peak 1.00)"
    report = json.loads(last)
    assert report["code"] == 0
    assert {"cry_lite.cli", "cry_lite.detector", "cry_lite.spec"} <= set(
        report["names"]
    )
    found = {name.partition(".")[0] for name in report["modules"]}
    assert not found & set(FORBIDDEN)
    assert "ai_edge_litert" in found


def test_importing_the_package_and_asking_for_help_load_no_numpy():
    script = """
import sys
import cry_lite
from cry_lite.cli import main
assert main(["analyze", "--help"]) == 0
assert main(["analyze", "a.wav", "--overwrite"]) == 2
print("numpy" in sys.modules, "soundfile" in sys.modules)
"""
    assert run(script)[-1] == "False False"


def test_sound_at_the_rate_of_the_model_loads_no_resampler(model_file, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(1600), 16_000)
    script = """
import sys
from cry_lite import Analyzer
Analyzer(sys.argv[2]).analyze_file(sys.argv[1])
print("soxr" in sys.modules)
"""
    assert run(script, str(tmp_path / "a.wav"), str(model_file))[-1] == "False"
