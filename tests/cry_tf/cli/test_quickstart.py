"""The command itself, end to end at a tiny scale, on random weights."""

import argparse
import csv
import dataclasses
import hashlib
import json

import numpy as np
import pytest
import soundfile

from cry_hub import registry
from cry_hub.weights.cache_folder import digest_file
from cry_lite.detector import Analyzer
from cry_tf.cli import quickstart
from cry_tf.exporting import run_clips
from cry_tf.runs.run_folder import RunFolder
from cry_tf.studies.quickstart.material import STANDARD

pytestmark = pytest.mark.usefixtures("shallow_student")

TINY = dataclasses.replace(
    STANDARD,
    infants=4,
    detection_clips=4,
    detection_s=1.5,
    reason_clips=1,
    reason_s=1.5,
    night_s=80.0,
    cry_episodes=2,
    household_events=3,
    head_epochs=2,
    head_folds=2,
    parity_clips=4,
)


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("CRY_TF_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(autouse=True)
def _small_weights_come_along(weights, monkeypatch):
    """Those that ship are of the whole network."""
    record = registry.get("ds_cnn_s")
    record = dataclasses.replace(record, files=(), shipped=str(weights))
    monkeypatch.setitem(registry._PRESETS, "ds_cnn_s", record)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    digest_file(weights).write_text(f"{digest}  {weights.name}\n")


def parse(*argv: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    quickstart.add_parser(parser.add_subparsers())
    return parser.parse_args(["quickstart", *argv])


def test_the_whole_chain_runs_without_data_or_network(tmp_path, capsys):
    output = tmp_path / "first"
    assert quickstart.run(parse("--output", str(output)), TINY) == 0
    printed = capsys.readouterr().out

    values = json.loads((output / "metrics.json").read_text())
    assert values["synthetic"] is True
    assert values["models"].keys() == {"detect", "reason"}
    assert values["night"]["cries"] == 2
    assert values["night"]["duration_s"] == 80
    for task in ("detect", "reason"):
        model = values["models"][task]
        path = output / f"{task}.tflite"
        assert path.stat().st_size == model["bytes"]
        assert model["parity"]["max_score_difference"] < 0.1
        assert (output / task / "report.html").is_file()
        assert (output / task / "model.keras").is_file()
        assert task in printed

    # Export finds the recordings again, wherever the folder is by then.
    output = output.rename(tmp_path / "moved")
    for task in ("detect", "reason"):
        run = RunFolder.open(output / task)
        assert len(run_clips(run)) == run.config["data"]["clips"] > 0

    assert Analyzer(output / "detect.tflite").spec.positive_label == "cry"
    assert len(Analyzer(output / "reason.tflite").spec.labels) == 5
    assert soundfile.info(output / "night.wav").duration == 80
    assert (output / "night.png").read_bytes().startswith(b"\x89PNG")
    with open(output / "night_truth.csv", newline="") as file:
        assert sum(row["label"] == "cry" for row in csv.DictReader(file)) == 2
    assert "ds_cnn_s" in printed
    assert "synthetic" in printed
    assert "balanced accuracy" in printed
    assert printed.count("of 2 cries detected") == 2
    # The included detector knows nothing of these sounds, and tells them apart.
    assert values["included_detector"]["name"] == "cry_detector"
    assert values["included_detector"]["cries"] == 2
    assert "cry_detector, included, trained on real recordings" in printed
    assert "do not use it as a detector" in printed
    # Nothing half done is left beside it.
    assert [path.name for path in tmp_path.iterdir()] == ["moved"]


def test_real_recordings_without_a_reason_give_a_detector_and_say_so(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for label in ("baby_cry", "rain"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(6):
            sound = 0.3 * rng.standard_normal(16_000)
            path = tmp_path / "data" / label / f"{number}.wav"
            soundfile.write(path, sound.clip(-0.9, 0.9), 16_000)
    output = tmp_path / "out"
    args = parse("--data", str(tmp_path / "data"), "--output", str(output), "--json")
    assert quickstart.run(args, TINY) == 0
    captured = capsys.readouterr()
    values = json.loads(captured.out)
    assert values["synthetic"] is False
    assert list(values["models"]) == ["detect"]
    assert values["night"]["cries"] >= 1
    assert "No reason model" in captured.err
    assert not (output / "recordings").exists()
    assert not (output / "reason.tflite").exists()


@pytest.mark.parametrize("content", ['{"split": "5 folds"}', "[]", "not json"])
def test_the_result_of_another_command_is_left_alone(content, tmp_path):
    (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(FileExistsError, match="the result of another command"):
        quickstart.run(parse("--output", str(tmp_path), "--overwrite"), TINY)
    assert (tmp_path / "metrics.json").read_text() == content


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years")
    with pytest.raises(FileExistsError):
        quickstart.run(parse("--output", str(tmp_path), "--overwrite"), TINY)
    assert (tmp_path / "thesis.txt").read_text() == "years"


def test_an_earlier_quickstart_is_replaced_only_when_asked(tmp_path):
    (tmp_path / "metrics.json").write_text(json.dumps({"format": quickstart.FORMAT}))
    with pytest.raises(FileExistsError, match="--overwrite"):
        quickstart.run(parse("--output", str(tmp_path)), TINY)
    # With --overwrite it goes on, as far as weights that are not there.
    args = parse("--output", str(tmp_path), "--overwrite", "--weights", "no.npz")
    with pytest.raises(FileNotFoundError, match="no.npz"):
        quickstart.run(args, TINY)
    assert (tmp_path / "metrics.json").is_file()


def test_missing_data_leave_nothing_behind(tmp_path):
    output = tmp_path / "out"
    args = parse("--data", str(tmp_path / "nowhere"), "--output", str(output))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        quickstart.run(args, TINY)
    assert list(tmp_path.iterdir()) == []


def test_a_negative_seed_is_refused(tmp_path):
    with pytest.raises(ValueError, match="--seed must be 0 or more"):
        quickstart.run(parse("--seed", "-1", "--output", str(tmp_path / "out")), TINY)
