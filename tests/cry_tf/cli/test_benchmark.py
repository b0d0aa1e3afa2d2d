import json
import shutil

import keras
import numpy as np
import pytest
import soundfile

import cry_tf.exporting
from cry_lite.metadata import pack, read_metadata
from cry_lite.spec import ModelSpec
from cry_tf.cli.main import main
from cry_tf.models import CryDetector

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """A detector, the same with twice its bytes, and the same as a reason model."""
    folder = tmp_path_factory.mktemp("exports")
    check = [np.random.default_rng(0).normal(0, 0.1, RATE_HZ).astype(np.float32)]
    keras.utils.set_random_seed(0)
    detector = CryDetector.from_preset("ds_cnn_s", weights=None)
    small = folder / "small.tflite"
    cry_tf.exporting.export(detector, small, quantize="dynamic", check=check)
    inside = read_metadata(small)
    network = small.read_bytes()[: inside.flatbuffer_bytes]
    large = pack(network + bytes(len(network)), inside.spec, {"recipe": "large"})
    (folder / "large.tflite").write_bytes(large)
    reasons = ModelSpec(
        task="reason", labels=("hungry", "tired"), front_end=inside.spec.front_end
    )
    (folder / "reason.tflite").write_bytes(pack(network, reasons, {}))
    return folder


@pytest.fixture(autouse=True)
def _one_turn(monkeypatch):
    monkeypatch.setattr("cry_lite.speed.TURNS", 1)


@pytest.fixture
def recordings(tmp_path, rng):
    for label, pitch_hz in (("cry", 450), ("rain", 2_000)):
        for source in range(2):
            path = tmp_path / "data" / label / f"{label}{source}" / "0.wav"
            path.parent.mkdir(parents=True)
            time_s = np.arange(RATE_HZ) / RATE_HZ
            wave = 0.3 * np.sin(2 * np.pi * (pitch_hz + 30 * source) * time_s)
            soundfile.write(path, wave + rng.normal(0, 0.01, RATE_HZ), RATE_HZ)
    return tmp_path / "data"


def test_files_stand_side_by_side(exports, recordings, tmp_path, capsys):
    out = tmp_path / "out"
    files = [str(exports / "small.tflite"), str(exports / "large.tflite")]
    argv = ["benchmark", *files, "--data", str(recordings), "-o", str(out), "--json"]
    assert main([*argv, "--threads", "1"]) == 0

    answer = json.loads(capsys.readouterr().out)
    small, large = answer["files"]
    assert (small["recipe"], large["recipe"]) == ("dynamic", "large")
    assert small["bytes"] == (exports / "small.tflite").stat().st_size
    assert small["gzip_bytes"] < small["bytes"] < large["bytes"]
    assert answer["clips"] == 4
    assert answer["majority"]["balanced_accuracy"] == 0.5
    for file in (small, large):
        assert 0 <= file["accuracy"]["auc"]["value"] <= 1
        assert file["speeds"][0]["real_time_factor"] > 0
    assert any("does not record which clips" in each for each in answer["warnings"])
    assert json.loads((out / "metrics.json").read_text()) == answer
    page = (out / "benchmark.html").read_text()
    assert page.count("<svg") == 2
    assert "small.tflite" in page


def test_without_clips_latency_stands_over_size(exports, tmp_path, capsys):
    out = tmp_path / "out"
    argv = [
        "benchmark",
        str(exports / "small.tflite"),
        str(exports / "reason.tflite"),
    ]
    assert main([*argv, "-o", str(out), "--threads", "1", "--seconds", "0.5"]) == 0
    said = capsys.readouterr().out
    assert "small.tflite" in said
    assert "AUC" not in said
    assert "runs on 0.5 s of audio" in said
    assert (out / "benchmark.html").read_text().count("<svg") == 1


def test_what_cannot_be_compared_is_refused(exports, recordings, tmp_path, capsys):
    detector, reason = exports / "small.tflite", exports / "reason.tflite"
    copy = tmp_path / "cut.tflite"
    shutil.copy(detector, copy)
    with copy.open("r+b") as file:
        file.truncate(1_000)
    for argv, words in (
        ([str(detector), str(copy)], "cut.tflite"),
        ([str(tmp_path / "small.tflite")], "small.tflite"),
        ([str(detector), str(detector)], "named once"),
        ([str(detector), str(reason), "--data", str(recordings)], "one task"),
        ([str(detector), "--seconds", "-1"], "seconds must be positive"),
        ([str(detector), "-o", str(recordings)], "left alone"),
    ):
        assert main(["benchmark", *argv]) == 1
        error = capsys.readouterr().err
        assert "error: " in error
        assert words in error
    assert main(["benchmark", str(detector), "--threads", "0"]) == 2
