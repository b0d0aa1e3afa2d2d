import dataclasses
import hashlib
import json
import os
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest
import soundfile

from cry_hub import registry
from cry_hub.preset import WeightsFile
from cry_tf.cli.main import main

pytestmark = pytest.mark.usefixtures("shallow_student")

RATE_HZ = 16_000


@pytest.fixture
def recordings(cries_and_rain):
    return cries_and_rain


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CRY_TF_HOME", str(tmp_path / "cache"))


def command(recordings, weights, run, *more):
    return [
        "train",
        str(recordings),
        *("-o", str(run), "--task", "detect", "--backbone", "ds_cnn_s"),
        *("--weights", str(weights), "--epochs", "2", "--folds", "2", *more),
    ]


def test_pretrained_weights_are_fetched_if_they_are_missing(
    recordings, weights, weights_server, tmp_path, monkeypatch, capsys
):
    weights_server.content = weights.read_bytes()
    file = WeightsFile(name="published.npz", url=weights_server.url)
    record = dataclasses.replace(registry.get("ds_cnn_s"), files=(file,))
    monkeypatch.setitem(registry._PRESETS, "ds_cnn_s", record)
    assert main(command(recordings, "pretrained", tmp_path / "run")) == 0
    shown = capsys.readouterr()
    assert "published.npz: " in shown.err
    assert "pinned at first use" in shown.out
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert config["weights"]["sha256"] == digest
    assert len(weights_server.requests) == 1


def test_pretrained_weights_that_cannot_be_had_are_said_before_any_work(
    recordings, tmp_path, monkeypatch, capsys
):
    record = dataclasses.replace(registry.get("ds_cnn_s"), files=(), shipped=None)
    monkeypatch.setitem(registry._PRESETS, "ds_cnn_s", record)
    assert main(command(recordings, "pretrained", tmp_path / "run")) == 1
    assert "Nothing is published for ds_cnn_s" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_detector_is_trained_and_everything_is_said(
    recordings, weights, tmp_path, capsys
):
    clips = tmp_path / "clips"
    shutil.copytree(recordings, clips)
    (clips / "rain" / "rain0" / "bad.wav").write_text("no sound")
    code = main(command(clips, weights, tmp_path / "run"))
    shown = capsys.readouterr()

    assert code == 0
    assert (tmp_path / "run" / "model.keras").is_file()
    assert "cry (4 clips, by well-known names): hungry 4" in shown.out
    assert "always no_cry" in shown.out
    assert "false alarms" in shown.out
    assert "left out: " in shown.err
    assert "bad.wav" in shown.err
    left_out = json.loads((tmp_path / "run" / "config.json").read_text())["data"]
    assert [entry["file"] for entry in left_out["left_out"]] == ["rain/rain0/bad.wav"]
    # Piped output has lines, no bar.
    assert "training (2 folds, then all): 6/6" in shown.err
    assert "\x1b" not in shown.err + shown.out


def test_json_is_all_that_stdout_holds(recordings, weights, tmp_path, capsys):
    assert main(command(recordings, weights, tmp_path / "run", "--json")) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["run"] == str(tmp_path / "run")
    assert answer["metrics"]["clips"] == 8


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--recipe", "slow"], "recipe must be one of quick, full"),
        (["--folds", "9"], "9 folds needs 9 different groups"),
        (["--positive", "whine"], "Every positive label must occur in the data"),
        (["--backbone", "yamnet"], "preset must be one of"),
        (["--epochs", "0"], "epochs must be positive"),
        (["--weights", "none", "--recipe", "quick"], "trains the head alone"),
        (["--group-by", "infant"], "group_by names a column of a manifest"),
        (["--pooling", "median"], "pooling must be one of"),
        (["--head", "svm", "--imbalance", "focal"], "is fitted in one go"),
        (["--head", "gmm", "--recipe", "finetune"], "stays as it came"),
        (["--augment", "loud"], "policy is one of none, light, strong"),
        (["--augment-copies", "2"], "at least 1 there with an augmentation"),
        (["--noise", "."], "noise is mixed in by an augmentation"),
        (["--micro-batch", "5"], "divides batch_size=32"),
        (["--config", os.devnull], "must be the config.json of a run"),
    ],
)
def test_what_cannot_work_is_one_sentence(
    recordings, weights, tmp_path, capsys, more, sentence
):
    assert main(command(recordings, weights, tmp_path / "run", *more)) == 1
    shown = capsys.readouterr().err.splitlines()[-1]
    assert shown.startswith("error: ")
    assert sentence in shown
    assert not (tmp_path / "run").exists()


def test_head_imbalance_and_augmentation_are_chosen_by_name(
    recordings, weights, tmp_path, capsys
):
    noise = tmp_path / "noise"
    noise.mkdir()
    hum = 0.1 * np.random.default_rng(1).normal(size=RATE_HZ)
    soundfile.write(noise / "hum.wav", hum, RATE_HZ)
    more = ["--head", "logreg", "--imbalance", "none", "--augment", "light"]
    more += ["--noise", str(noise), "--no-baselines", "--json"]
    assert main(command(recordings, weights, tmp_path / "run", *more)) == 0
    assert json.loads(capsys.readouterr().out)["metrics"]["baselines"] == {}
    settings = json.loads((tmp_path / "run" / "config.json").read_text())["settings"]
    assert settings["noise"] == str(noise)
    found = {name: settings["recipe"][name] for name in ("head", "imbalance")}
    assert found == {"head": "logreg", "imbalance": "none"}
    assert settings["recipe"]["augment_copies"] == 4


def test_baselines_are_told_beside_the_model(recordings, weights, tmp_path, capsys):
    more = ["--head", "prototype"]
    assert main(command(recordings, weights, tmp_path / "run", *more)) == 0
    shown = capsys.readouterr().out
    rows = ("this model", "MFCC + GMM", "MFCC + SVM", "always no_cry")
    places = [shown.index(row) for row in rows]
    assert places == sorted(places)


@pytest.mark.parametrize("asked", ["loud", "-5", "0"])
def test_a_bandwidth_that_is_none_is_wrong_usage(
    recordings, weights, tmp_path, capsys, asked
):
    argv = command(recordings, weights, tmp_path / "run", f"--bandwidth={asked}")
    assert main(argv) == 2
    assert "auto, none or a frequency in Hz" in capsys.readouterr().err


def test_missing_weights_say_what_to_do(recordings, tmp_path, capsys):
    argv = ["train", str(recordings), "-o", str(tmp_path / "run"), "--task", "detect"]
    assert main(argv) == 1
    shown = capsys.readouterr()
    assert "--weights FILE" in shown.err
    assert shown.out == ""  # said before every clip is decoded


def test_an_earlier_run_is_refused(recordings, weights, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "metrics.json").write_text("{}")
    assert main(command(recordings, weights, tmp_path / "run")) == 1
    assert "--overwrite" in capsys.readouterr().err


# One signal here and the other in test_reproduce.py: each starts a process.
@pytest.mark.parametrize(
    "stop", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_stop_in_the_middle_leaves_only_what_to_go_on_with(
    recordings, weights, tmp_path, start_command, stop
):
    more = ["--epochs", "100000"]
    argv = command(recordings, weights, tmp_path / "runs" / "run", *more)
    started = start_command(argv, stderr=subprocess.PIPE)
    assert started.stderr is not None
    epoch = tmp_path / "runs" / ".run.resume" / "now.npz"
    while not epoch.is_file():
        assert started.poll() is None
        time.sleep(0.01)
    started.send_signal(stop)
    rest = started.stderr.read()

    assert started.wait(timeout=60) == 1
    assert "Continue with the same command and --resume." in rest
    assert rest.strip().endswith("Stopped. No incomplete files were left.")
    kept = [path.name for path in (tmp_path / "runs").iterdir()]
    assert kept == [".run.resume"]


@pytest.mark.parametrize("name", ["vggish", "infantcrynet"])
def test_the_recipes_of_the_papers_train(recordings, weights, tmp_path, capsys, name):
    more = ["--recipe", name, "--epochs", "1", "--no-baselines"]
    assert main(command(recordings, weights, tmp_path / "run", *more)) == 0
    assert "micro batch: " in capsys.readouterr().out
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    front_end = config["model"]["front_end"]
    found = front_end["pre_emphasis"], front_end["z_score"]
    assert found == ((0.97, True) if name == "vggish" else (0.0, False))
