"""A short run of `benchmarks/fuzz.py`, of which 10,000 cases are run now and then."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "fuzz.py"

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="the watchdog waits as Unix does"
)


@pytest.fixture(scope="module")
def fuzz():
    spec = importlib.util.spec_from_file_location("fuzz", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def bench(fuzz, model_file, tmp_path_factory):
    return fuzz.Bench(model_file, tmp_path_factory.mktemp("fuzz"), seed=1)


def test_damaged_sounds_and_models_end_in_a_sentence(fuzz, bench):
    watchdog = fuzz.Watchdog(bench.model, bench.folder, bench.seed)
    try:
        watchdog.run(0, limit_s=60)  # The first one loads everything.
        verdicts = [watchdog.run(number, limit_s=30) for number in range(300)]
    finally:
        watchdog.close()
    assert [verdict for verdict in verdicts if verdict["fault"]] == []
    # Every way of damage is there, and every outcome.
    outcomes = {verdict["outcome"] for verdict in verdicts}
    assert outcomes == {"refused", "noted", "clean", "taken"}
    assert len({verdict["kind"] for verdict in verdicts}) == 13


def test_the_watchdog_tells_a_hang_and_a_death(fuzz, bench, monkeypatch):
    code = "import os, sys, time\nfor line in sys.stdin:\n    {}"
    for action, fault in (("time.sleep(60)", "hang"), ("os.abort()", "death")):
        command = [sys.executable, "-c", code.format(action)]
        monkeypatch.setattr(fuzz, "worker_command", lambda *_, made=command: made)
        watchdog = fuzz.Watchdog(bench.model, bench.folder, bench.seed)
        try:
            assert watchdog.run(1, limit_s=3)["fault"] == fault
        finally:
            watchdog.close()


def test_missing_sound_without_a_note_is_a_fault(fuzz):
    whole = (64_000, 16_000, 1, "PCM_16")
    assert fuzz.is_silent("pcm16.wav", "cut", (32_000, 16_000, 1, "PCM_16"), whole)
    assert not fuzz.is_silent("pcm16.wav", "cut", whole, whole)
    assert not fuzz.is_silent("unsaid.mp3", "cut", (1, *whole[1:]), whole)
    assert fuzz.is_silent("unsaid.mp3", "overwrite", (1, *whole[1:]), whole)
    # A header of another rate tells another length.
    assert not fuzz.is_silent("pcm16.wav", "number", (1, 8_000, 1, "PCM_16"), whole)
