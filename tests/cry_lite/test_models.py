from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cry_lite import models
from cry_lite.cli import main
from cry_lite.detector import Analyzer
from cry_lite.errors import ModelFileError

ROOT = Path(__file__).parents[2]
INCLUDED = pytest.mark.skipif(
    not (models.FOLDER / f"{models.DEFAULT}.tflite").is_file(),
    reason="the detectors are built by examples/bundled_detectors and not in yet",
)


@pytest.fixture
def folder(model_file, tmp_path, monkeypatch) -> Path:
    """Two detectors with cards, in place of the included ones."""
    folder = tmp_path / "models"
    folder.mkdir()
    content = model_file.read_bytes()
    for name in models.NAMES:
        (folder / f"{name}.tflite").write_bytes(content)
        card = {
            "name": name,
            "summary": "detects loud sounds",
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "licence": "Apache-2.0",
            "sources": [{"name": "noise", "licence": "CC0"}],
            "figures": [
                {"name": "recall", "value": 0.9, "n": 40, "on": "loud sounds"},
                {
                    "name": "false alarms an hour",
                    "value": 0.1,
                    "low": 0,
                    "high": 0.3,
                    "hours": 12,
                    "on": "quiet rooms",
                },
            ],
            "limits": ["No medical device."],
        }
        (folder / f"{name}.json").write_text(json.dumps(card))
    monkeypatch.setattr(models, "FOLDER", folder)
    monkeypatch.delenv("CRY_LITE_MODEL", raising=False)
    return folder


@pytest.fixture
def sound(tmp_path, rng) -> str:
    path = tmp_path / "night.wav"
    soundfile.write(path, rng.uniform(-0.4, 0.4, 3 * 16_000), 16_000)
    return str(path)


def test_without_a_model_the_default_detector_is_used(folder, sound, capsys):
    assert main(["analyze", sound, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["label"] == "cry"
    (folder / "cry_detector.tflite").unlink()
    assert main(["analyze", sound]) == 1
    assert "cry_detector is missing" in capsys.readouterr().err
    assert main(["analyze", sound, "--model", "cry_detector_tiny"]) == 0


def test_the_environment_comes_before_the_default(folder, sound, monkeypatch, capsys):
    monkeypatch.setenv("CRY_LITE_MODEL", "none.tflite")
    assert main(["analyze", sound]) == 1
    assert "none.tflite" in capsys.readouterr().err
    monkeypatch.setenv("CRY_LITE_MODEL", "")
    assert main(["analyze", sound]) == 0


def test_a_file_with_the_name_of_a_detector_is_opened_by_its_path(
    folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert models.resolve("./cry_detector") == "./cry_detector"
    assert models.resolve("cry_detector") == str(folder / "cry_detector.tflite")
    assert models.resolve(None) == models.resolve("cry_detector")


def test_models_are_listed_with_their_cards(folder, capsys):
    assert main(["models", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in found] == list(models.NAMES)
    assert [each["is_default"] for each in found] == [True, False]
    for each in found:
        content = Path(each["path"]).read_bytes()
        assert each["bytes"] == len(content)
        assert each["sha256"] == hashlib.sha256(content).hexdigest()
    assert main(["models"]) == 0
    text = capsys.readouterr().out
    assert "false alarms an hour 0.1 (0 to 0.3), 12 h, quiet rooms" in text
    assert "recall 0.9, n = 40, loud sounds" in text
    assert text.count("No medical device.") == 2


def test_info_takes_the_name_of_a_detector(folder, capsys):
    assert main(["info", "cry_detector_tiny", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["path"].endswith("tiny.tflite")


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: (folder / "cry_detector.json").unlink(),
        lambda folder: (folder / "cry_detector.json").write_text("[]"),
        lambda folder: (folder / "cry_detector.json").write_text("{"),
        lambda folder: (folder / "cry_detector.tflite").write_bytes(b"TFL3" * 9),
    ],
)
def test_a_damaged_detector_is_a_sentence(folder, harm, capsys):
    harm(folder)
    assert main(["models"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("cry-lite: The detector cry_detector is ")
    assert "Install cry-tf again" in error


def test_every_included_file_is_in_the_wheel():
    from hatchling.builders.wheel import WheelBuilder

    inside = {
        file.distribution_path
        for file in WheelBuilder(str(ROOT)).recurse_included_files()
    }
    package = ROOT / "tflite" / "cry_lite"
    present = {
        path.relative_to(package.parent).as_posix()
        for path in (package / "models").iterdir()
        if path.is_file()
    }
    assert "cry_lite/models/__init__.py" in present
    assert present <= inside


@INCLUDED
def test_the_included_detectors_are_the_files_of_their_cards():
    for model in models.bundled():
        assert model.card["sources"]
        assert all(source["licence"] for source in model.card["sources"])
        assert all("n" in f or "hours" in f for f in model.card["figures"])
        assert any("medical" in sentence for sentence in model.card["limits"])
        analyzer = Analyzer(model.path)
        assert analyzer.spec.positive_label == "cry"
        _, _, scores = analyzer.scores(np.zeros(5 * analyzer.spec.sample_rate_hz))
        assert (scores[:, 1] < analyzer.spec.decision.onset_threshold).all()
    sizes = {model.name: model.card["bytes"] for model in models.bundled()}
    assert sizes["cry_detector"] <= 800_000
    assert sizes["cry_detector_tiny"] <= 150_000


def test_an_unknown_name_is_taken_for_a_file():
    with pytest.raises(ModelFileError, match="File not found: cry_detectors"):
        Analyzer(models.resolve("cry_detectors"))
