from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cry_lite.detector import Analyzer
from cry_lite.front_ends import YAMNET
from cry_lite.metadata import pack, read_metadata
from cry_lite.spec import DecisionSpec, ModelSpec
from cry_tf.cli.main import main
from cry_tf.evaluation.window_scores import network_sha256

RATE_HZ = 16_000
RUN = Path(__file__).parents[2] / "fixtures" / "before_rebuild" / "detect_statistic"
SPEC = ModelSpec(
    task="detect",
    labels=("no_cry", "cry"),
    front_end=YAMNET,
    decision=DecisionSpec(window_s=1.0, hop_s=0.5),
    positive_label="cry",
)


@pytest.fixture(scope="module")
def network() -> bytes:
    """A network that takes any loud sound for a cry."""
    import tensorflow as tf

    class Loudness(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((1, None), tf.float32)])
        def __call__(self, waveform):
            cry = tf.sigmoid(200.0 * (tf.reduce_mean(tf.abs(waveform), -1) - 0.05))
            return tf.stack([1.0 - cry, cry], axis=-1)

    module = Loudness()
    return tf.lite.TFLiteConverter.from_concrete_functions(
        [module.__call__.get_concrete_function()], module
    ).convert()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CRY_TF_HOME", str(tmp_path / "home"))


@pytest.fixture
def model(network, tmp_path) -> Path:
    path = tmp_path / "cry.tflite"
    path.write_bytes(pack(network, SPEC, {"seed": 3}, {"limits": "none"}))
    return path


@pytest.fixture
def write(tmp_path, rng):
    """Writes a sound of silence with loud stretches, `(start, end)` seconds."""

    def make(name: str, duration_s: float, *loud: tuple[float, float]) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        wave = np.zeros(round(duration_s * RATE_HZ))
        for start_s, end_s in loud:
            part = slice(round(start_s * RATE_HZ), round(end_s * RATE_HZ))
            wave[part] = rng.uniform(-0.4, 0.4, part.stop - part.start)
        soundfile.write(path, wave, RATE_HZ)
        return path

    return make


@pytest.fixture
def sounds(write, tmp_path):
    """Rooms with bangs of 1 s, and cries of 5 s."""
    for room in range(2):
        bangs = [(10.0 + 13.3 * n, 11.0 + 13.3 * n) for n in range(8)]
        write(f"rooms/room{room}.wav", 120.0 + room, *bangs)
    for cry in range(3):
        write(f"data/cry/{cry}.wav", 12.0 + cry, (3.0, 8.0))
        write(f"data/rain/{cry}.wav", 5.0)
    return tmp_path / "rooms", tmp_path / "data"


def calibrate(model, rooms, *flags, budget="0.2", few=True):
    argv = ["calibrate", str(model), "--ambient", str(rooms)]
    argv += ["--max-false-alarms-per-hour", budget, *map(str, flags)]
    return main([*argv, "--accept-few-hours"] if few else argv)


def test_a_file_gets_the_setting_that_tells_bangs_from_cries(model, sounds, capsys):
    rooms, data = sounds
    before = read_metadata(model)
    analyzer = Analyzer(model)
    assert len(analyzer.analyze_file(rooms / "room0.wav").events) == 8
    assert calibrate(model, rooms, "--cries", data, "--json") == 0

    found = json.loads(capsys.readouterr().out)
    chosen = found["chosen"]
    assert (chosen["false_alarms"], chosen["recall"]) == (0, 1.0)
    assert (found["before"]["false_alarms"], found["cries"]) == (16, 3)
    assert found["is_supported"] is False
    assert found["hours_needed"] == pytest.approx(14.979, abs=0.01)
    assert found["ambient_hours"] == pytest.approx(241 / 3600, abs=1e-4)
    assert found["curve"][0]["false_alarms"] == 0

    after = read_metadata(model)
    assert after.spec.decision.to_dict() == chosen["decision"]
    assert after.spec.replace(decision=before.spec.decision) == before.spec
    assert after.flatbuffer_sha256 == before.flatbuffer_sha256
    assert after.provenance["seed"] == 3
    assert after.provenance["ambient_hours"] == pytest.approx(241 / 3600, abs=1e-4)
    assert after.provenance["alarm_budget_is_shown"] == 0
    assert "too few hours to show 0.2 an hour" in after.card["false_alarms"]
    assert after.card["limits"] == "none"
    # The runtime finds what was promised, in the file as it is now.
    analyzer = Analyzer(model)
    for room in range(2):
        assert not analyzer.analyze_file(rooms / f"room{room}.wav").events
    assert len(analyzer.analyze_file(data / "cry" / "0.wav").events) == 1


def test_the_report_has_the_whole_curve_and_every_recording(model, sounds):
    rooms, data = sounds
    assert calibrate(model, rooms, "--cries", data) == 0
    report = json.loads(model.with_name("cry.alarms.json").read_text())
    assert [each["false_alarms"] for each in report["ambient"]] == [0, 0]
    assert report["curve"]
    assert report["network_sha256"] == read_metadata(model).flatbuffer_sha256
    page = model.with_name("cry.alarms.html").read_text()
    assert "room1.wav" in page
    assert "<svg" in page
    assert "could not be drawn" not in page


def test_another_file_leaves_the_model_alone(model, sounds, tmp_path, capsys):
    rooms, _ = sounds
    content = model.read_bytes()
    out = tmp_path / "out.tflite"
    assert calibrate(model, rooms, "-o", out) == 0
    assert model.read_bytes() == content
    assert read_metadata(out).spec.decision != SPEC.decision
    assert "No cries were given" in capsys.readouterr().err
    assert calibrate(model, rooms, "-o", out) == 1
    assert "exists already" in capsys.readouterr().err
    assert calibrate(model, rooms, "-o", out, "--overwrite") == 0
    assert calibrate(model, rooms, "-o", tmp_path / "out.keras") == 1
    assert "must be a .tflite file" in capsys.readouterr().err


def test_scores_are_computed_once_whatever_the_setting(model, sounds, monkeypatch):
    rooms, data = sounds
    from cry_lite.interpreter import LiteRTModel

    calls = []
    original = LiteRTModel.__call__

    def counted(self, waveform):
        calls.append(1)
        return original(self, waveform)

    monkeypatch.setattr(LiteRTModel, "__call__", counted)
    assert calibrate(model, rooms, "--cries", data) == 0
    first = len(calls)
    calls.clear()
    assert calibrate(model, rooms, "--cries", data, budget="5") == 0
    # The comparison of the written file scores two recordings again.
    assert 0 < len(calls) < first
    assert len(calls) <= 2 * 120 + 2 * 12


def test_too_few_hours_are_refused_before_anything_is_scored(model, sounds, capsys):
    rooms, _ = sounds
    content = model.read_bytes()
    assert calibrate(model, rooms, few=False) == 1
    error = capsys.readouterr().err
    assert "No false alarm in 4 min of ambient recordings shows" in error
    assert "it takes 15.0 h" in error
    assert "--accept-few-hours to go on" in error
    assert "scoring" not in error
    assert model.read_bytes() == content


def test_crying_in_an_ambient_recording_stops_the_command(model, write, capsys):
    write("rooms/quiet.wav", 100.0)
    night = write("rooms/night.wav", 100.0, (30.0, 45.0))
    content = model.read_bytes()
    assert calibrate(model, night.parent) == 1
    error = capsys.readouterr().err
    assert "1 of 2 ambient recordings seem to contain crying" in error
    assert "night.wav at 30-45 s" in error
    assert model.read_bytes() == content
    assert calibrate(model, night.parent, "--ambient-has-no-crying") == 1
    assert "Remove what is crying" in capsys.readouterr().err


def test_a_recording_on_both_sides_is_refused(model, sounds, capsys):
    rooms, data = sounds
    shutil.copy(data / "cry" / "1.wav", rooms / "again.wav")
    assert calibrate(model, rooms, "--cries", data) == 1
    assert "cry/1.wav. Take each out" in capsys.readouterr().err


def test_copies_of_a_recording_do_not_count_as_hours(model, sounds, capsys):
    rooms, data = sounds
    shutil.copy(rooms / "room0.wav", rooms / "copy.wav")
    assert calibrate(model, rooms, "--cries", data, "--json") == 0
    said = capsys.readouterr()
    assert "1 of 3 ambient recordings are copies" in said.err
    assert json.loads(said.out)["ambient_recordings"] == 2


def test_sounds_that_cannot_be_read_are_named_and_the_rest_done(model, sounds, capsys):
    rooms, data = sounds
    (rooms / "text.wav").write_text("hello")
    soundfile.write(rooms / "nan.wav", np.full(RATE_HZ, np.nan), RATE_HZ, "FLOAT")
    assert calibrate(model, rooms, "--cries", data, "--json") == 1
    said = capsys.readouterr()
    assert len(json.loads(said.out)["left_out"]) == 2
    assert "text.wav" in said.err
    assert "nan.wav" in said.err
    assert read_metadata(model).spec.decision != SPEC.decision


def test_a_folder_without_sound_is_a_sentence(model, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert calibrate(model, tmp_path / "empty") == 1
    assert "with no sound file" in capsys.readouterr().err
    assert calibrate(model, tmp_path / "none") == 1
    assert "File not found" in capsys.readouterr().err


@pytest.mark.parametrize("budget", ["0", "-1", "nan", "inf"])
def test_a_budget_that_no_hours_can_show_is_refused(model, sounds, budget, capsys):
    assert calibrate(model, sounds[0], budget=budget) == 1
    assert "above 0" in capsys.readouterr().err


def test_cries_without_a_label_that_means_crying_are_refused(model, sounds, capsys):
    rooms, data = sounds
    shutil.rmtree(data / "cry")
    assert calibrate(model, rooms, "--cries", data, "--positive", "none") == 1
    assert "must be labelled as crying" in capsys.readouterr().err


def test_a_model_of_reasons_has_no_alarms(network, sounds, tmp_path, capsys):
    spec = SPEC.replace(task="reason", labels=("hungry", "tired"), positive_label=None)
    path = tmp_path / "why.tflite"
    path.write_bytes(pack(network, spec, {}))
    assert calibrate(path, sounds[0]) == 1
    assert "a classifier of hungry, tired" in capsys.readouterr().err


def test_an_included_detector_is_never_changed(
    model, sounds, tmp_path, monkeypatch, capsys
):
    from cry_lite import models

    monkeypatch.setattr(models, "FOLDER", tmp_path)
    shutil.copy(model, tmp_path / "cry_detector.tflite")
    assert calibrate("cry_detector", sounds[0]) == 1
    assert "stays as it is" in capsys.readouterr().err
    assert calibrate("cry_detector", sounds[0], "-o", tmp_path / "my.tflite") == 0
    assert (tmp_path / "cry_detector.tflite").read_bytes() == model.read_bytes()


def test_a_file_without_our_settings_is_refused(network, sounds, tmp_path, capsys):
    path = tmp_path / "foreign.tflite"
    path.write_bytes(network)
    assert calibrate(path, sounds[0]) == 1
    assert "no cry-tf settings inside" in capsys.readouterr().err
    assert path.read_bytes() == network


def test_a_run_folder_gets_the_setting_in_both_its_files(sounds, tmp_path, capsys):
    import keras

    rooms, _ = sounds
    run = tmp_path / "run"
    shutil.copytree(RUN, run)
    before = network_sha256(run / "model.keras")
    names = {path.name for path in run.iterdir()}
    assert calibrate(run, rooms, "--ambient-has-no-crying", "--json") == 0
    chosen = json.loads(capsys.readouterr().out)["chosen"]
    config = json.loads((run / "config.json").read_text())
    assert config["model"]["decision"] == chosen["decision"]
    assert config["alarm_budget"]["ambient_recordings"] == 2
    model = keras.saving.load_model(run / "model.keras", compile=False)
    assert model.decision.to_dict() == chosen["decision"]
    assert network_sha256(run / "model.keras") == before
    assert {path.name for path in run.iterdir()} == names | {
        "alarms.html",
        "alarms.json",
    }


def test_what_is_written_is_compared_first(model, sounds, monkeypatch, capsys):
    from cry_tf.evaluation import decision_writing

    content = model.read_bytes()
    monkeypatch.setattr(decision_writing, "with_decision", _with_its_own_decision)
    assert calibrate(model, sounds[0]) == 1
    assert "does not give the events that were chosen" in capsys.readouterr().err
    assert model.read_bytes() == content
    assert not list(model.parent.glob(".*"))


def _with_its_own_decision(content, decision, *rest):
    return content
