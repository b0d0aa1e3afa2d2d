from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json

import numpy as np
import pytest
import soundfile

import cry_export.checked_export
import cry_hub
from cry_export import ParityError
from cry_export.convert import to_tflite
from cry_lite.cli import main as cry_lite_main
from cry_lite.interpreter import LiteRTModel
from cry_lite.metadata import read_metadata
from cry_tf.cli import export
from cry_tf.models.cry_detector import CryDetector
from cry_tf.runs.predictions import Predictions
from cry_tf.runs.run_folder import FORMAT

pytestmark = pytest.mark.usefixtures("shallow_student")


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A run of a small detector on four clips, as `cry-tf train` leaves it."""
    folder = tmp_path_factory.mktemp("run")
    data = folder / "recordings"
    rng = np.random.default_rng(0)
    files = [f"{label}/{n}.wav" for label in ("cry", "rain") for n in range(2)]
    for name in files:
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(data / name, 0.1 * rng.standard_normal(12_000), 16_000)
    model = CryDetector(cry_hub.load("ds_cnn_s", weights=None), pooling="max")
    model.save(folder / "model.keras")
    Predictions(
        files=tuple(files),
        labels=model.labels,
        truth=np.array([1, 1, 0, 0]),
        scores=np.full((4, 2), 0.5),
        groups=tuple(files),
        folds=np.array([0, 1, 0, 1]),
        durations_s=np.full(4, 0.75),
        positive_label="cry",
    ).write_csv(folder / "predictions.csv")
    config = {
        "format": FORMAT,
        "model": model.spec.to_dict(),
        "data": {"origin": str(data), "sha256": "da7a"},
        "weights": {"source": "random initialisation", "sha256": None},
        "settings": {
            "backbone": "ds_cnn_s",
            "pooling": "max",
            "recipe": {"name": "full"},
            "seed": 5,
        },
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def converted():
    return {}


@pytest.fixture(autouse=True)
def _convert_once(converted, monkeypatch):
    """Each recipe and length is converted once: seconds each."""

    def convert(model, recipe, samples):
        key = (recipe.name, samples)
        if key not in converted:
            converted[key] = to_tflite(model, recipe, samples)
        return converted[key]

    monkeypatch.setattr(cry_export.checked_export, "to_tflite", convert)


def command(*arguments) -> int:
    parser = argparse.ArgumentParser()
    export.add_parser(parser.add_subparsers())
    return export.run(parser.parse_args(["export", *map(str, arguments)]))


def test_a_run_becomes_a_file_checked_on_its_own_clips(run_folder, tmp_path, capsys):
    path = tmp_path / "cry.tflite"
    assert command(run_folder, "-o", path) == 0
    output = capsys.readouterr().out
    assert "4 clips of its training data" in output
    assert "scores differ by at most" in output
    metadata = read_metadata(path)
    assert metadata.spec.positive_label == "cry"
    provenance = metadata.provenance
    assert provenance["recipe"] == "dynamic"
    assert provenance["data_sha256"] == "da7a"
    assert provenance["seed"] == 5
    assert provenance["weights_source"] == "random initialisation"
    config = (run_folder / "config.json").read_bytes()
    assert provenance["run_config_sha256"] == hashlib.sha256(config).hexdigest()


def test_json_is_the_whole_report_on_stdout(run_folder, tmp_path, capsys):
    path = tmp_path / "cry.tflite"
    assert command(run_folder, "-o", path, "--json", "--quantize", "none") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["path"] == str(path)
    assert report["refused"] is False
    assert report["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert sorted(report["check_clips"])[0] == "cry/0.wav"


def test_other_clips_and_a_fixed_length_can_be_asked_for(run_folder, tmp_path, capsys):
    path = tmp_path / "cry.tflite"
    check = run_folder / "recordings"
    assert command(run_folder, "-o", path, "--check", check, "--length", "0.5") == 0
    assert LiteRTModel(path).input_samples == 8_000
    assert f"4 clips of {check}" in capsys.readouterr().out


def test_a_keras_file_needs_clips_to_check_on(run_folder, tmp_path):
    path = tmp_path / "cry.tflite"
    keras_file = run_folder / "model.keras"
    with pytest.raises(ValueError, match="--check DATA"):
        command(keras_file, "-o", path)
    command(keras_file, "-o", path, "--check", run_folder / "recordings")
    assert path.exists()


def test_lost_recordings_are_asked_for(run_folder, tmp_path):
    lost = tmp_path / "run"
    lost.mkdir()
    for name in ("model.keras", "predictions.csv"):
        (lost / name).write_bytes((run_folder / name).read_bytes())
    config = json.loads((run_folder / "config.json").read_text())
    config["data"]["origin"] = str(tmp_path / "gone")
    (lost / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"Found none of 4 .*--check DATA"):
        command(lost, "-o", tmp_path / "cry.tflite")


def test_a_refused_file_is_not_written_and_json_has_its_figures(
    run_folder, tmp_path, capsys, monkeypatch
):
    def perturbed(model, recipe, samples):
        logits = model.get_layer("logits")
        kernel, bias = logits.get_weights()
        logits.set_weights([kernel, bias + [3.0, 0.0]])
        content = to_tflite(model, recipe, samples)
        logits.set_weights([kernel, bias])
        return content

    monkeypatch.setattr(cry_export.checked_export, "to_tflite", perturbed)
    path = tmp_path / "cry.tflite"
    with pytest.raises(ParityError, match="was not written"):
        command(run_folder, "-o", path, "--json")
    assert [file.name for file in tmp_path.iterdir()] == ["cry.parity.json"]
    printed = json.loads(capsys.readouterr().out)
    assert printed["refused"] is True
    assert printed["parity"]["max_score_difference"] > 0.2


def test_without_strict_a_line_says_what_was_written_instead(
    run_folder, tmp_path, capsys, monkeypatch
):
    measure = cry_export.checked_export.measure

    def over(known, packed, spec, recipe, *rest):
        found = measure(known, packed, spec, recipe, *rest)
        if recipe.name == "dynamic":
            found = dataclasses.replace(found, reasons=("scores differ by 0.9",))
        return found

    monkeypatch.setattr(cry_export.checked_export, "measure", over)
    path = tmp_path / "cry.tflite"
    with pytest.raises(ParityError, match="scores differ by 0.9"):
        command(run_folder, "-o", path, "--strict")
    assert not path.exists()
    assert command(run_folder, "-o", path) == 0
    told = capsys.readouterr()
    sentence = "dynamic was asked for, float16 was written: with dynamic scores differ"
    assert sentence in " ".join((told.out + told.err).split())
    assert read_metadata(path).provenance["recipe"] == "float16"


def test_a_length_below_a_window_is_written_as_the_runtime_takes_it(
    run_folder, tmp_path, capsys
):
    path = tmp_path / "cry.tflite"
    assert command(run_folder, "-o", path, "--length", "1") == 0
    told = capsys.readouterr()
    assert "The input takes 1 s, so windows are 1 s long" in told.out + told.err
    assert cry_lite_main(["info", str(path)]) == 0


def test_an_earlier_file_is_only_replaced_when_asked(run_folder, tmp_path):
    path = tmp_path / "cry.tflite"
    path.write_bytes(b"earlier")
    with pytest.raises(FileExistsError, match="--overwrite"):
        command(run_folder, "-o", path)
    assert path.read_bytes() == b"earlier"
    assert command(run_folder, "-o", path, "--overwrite") == 0


def test_what_is_no_run_is_refused(run_folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="run folder"):
        command(tmp_path, "-o", tmp_path / "cry.tflite")
    with pytest.raises(FileNotFoundError, match="File not found"):
        command(tmp_path / "no.keras", "-o", tmp_path / "cry.tflite")
    (tmp_path / "bad.keras").write_bytes(b"no model")
    check = ("--check", run_folder / "recordings")
    with pytest.raises(ValueError, match="a model that cry-tf wrote"):
        command(tmp_path / "bad.keras", "-o", tmp_path / "cry.tflite", *check)


@pytest.mark.parametrize(
    "arguments", [("--length", "long"), ("--quantize", "int4"), ("--seed", "x")]
)
def test_what_is_not_offered_is_wrong_usage(run_folder, tmp_path, arguments):
    with pytest.raises(SystemExit) as stop:
        command(run_folder, "-o", tmp_path / "cry.tflite", *arguments)
    assert stop.value.code == 2


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit) as stop:
        command("--help")
    assert stop.value.code == 0
    told = capsys.readouterr().out
    assert "cry-tf export runs/reason -o cry.tflite" in told
    assert "--strict" in told


def test_two_lengths_make_two_files(run_folder, tmp_path, capsys):
    path = tmp_path / "cry.tflite"
    lengths = ("--length", "0.5", "--length", "dynamic")
    assert command(run_folder, "-o", path, *lengths, "--json") == 0
    files = json.loads(capsys.readouterr().out)["files"]
    assert [file["file"] for file in files] == ["cry_0.5s.tflite", "cry_dynamic.tflite"]
    assert LiteRTModel(tmp_path / "cry_0.5s.tflite").input_samples == 8_000
    assert LiteRTModel(tmp_path / "cry_dynamic.tflite").input_samples is None
    with pytest.raises(FileExistsError, match="cry_0.5s"):
        command(run_folder, "-o", path, *lengths)


def test_int8_takes_its_ranges_from_the_clips_of_the_run(run_folder, tmp_path, capsys):
    path = tmp_path / "cry.tflite"
    # Random weights sit on the threshold; the flips of such coin tosses are no matter.
    assert command(run_folder, "-o", path, "--quantize", "int8", "--seed", "2") == 0
    report = json.loads((tmp_path / "cry.parity.json").read_text())
    assert sorted(report["representative"]["clips"])[0] == "cry/0.wav"
    assert report["representative"]["seed"] == 2
    assert report["parity"]["task_metric"]["clips"] == 4
    assert "macro-F1" in capsys.readouterr().out
    metadata = read_metadata(path)
    assert metadata.provenance["representative_sha256"]
    assert "No medical device" in metadata.card["limits"]


def test_a_keras_file_needs_clips_for_int8(run_folder, tmp_path):
    check = ("--check", run_folder / "recordings", "--quantize", "int8")
    with pytest.raises(ValueError, match="--representative DATA"):
        command(run_folder / "model.keras", "-o", tmp_path / "cry.tflite", *check)
    assert list(tmp_path.iterdir()) == []


def test_a_layer_that_is_not_there_cannot_be_kept_float(run_folder, tmp_path):
    with pytest.raises(ValueError, match="Received: dense7"):
        command(run_folder, "-o", tmp_path / "cry.tflite", "--keep-float", "dense7")
