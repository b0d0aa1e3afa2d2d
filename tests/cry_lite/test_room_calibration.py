from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from cry_lite import models, room_calibration
from cry_lite.cli import main
from cry_lite.detector import Analyzer
from cry_lite.metadata import pack, read_metadata

RATE_HZ = 16_000


@pytest.fixture
def model(model_file, tmp_path):
    path = tmp_path / "cry.tflite"
    path.write_bytes(model_file.read_bytes())
    return path


@pytest.fixture
def write(tmp_path, rng):
    """Writes a quiet minute with stretches of a loudness: (start, seconds, peak)."""

    def make(name: str, *stretches: tuple[int, int, float], duration_s: int = 60):
        wave = rng.uniform(-0.002, 0.002, duration_s * RATE_HZ)
        for start, seconds, peak in stretches:
            part = slice(start * RATE_HZ, (start + seconds) * RATE_HZ)
            wave[part] = rng.uniform(-peak, peak, part.stop - part.start)
        path = tmp_path / "room" / name
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, wave, RATE_HZ)
        return path

    return make


def calibrate(model, *flags):
    return main(["calibrate", str(model), *map(str, flags)])


def test_the_threshold_is_raised_above_what_the_room_reaches(model, write, capsys):
    # A mean magnitude of 0.055 scores 0.73; of 0.2, 1.0.
    room = write("a.wav", (10, 3, 0.11), (30, 2, 0.11))
    loud = write("loud.wav", (10, 20, 0.4))
    loud = loud.rename(loud.parents[1] / "loud.wav")
    before = read_metadata(model)
    assert len(Analyzer(model).analyze_file(room).events) == 2
    assert calibrate(model, "--ambient", room.parent, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    after = read_metadata(model)
    assert found["chosen"]["false_alarms"] == 0
    assert found["before"]["false_alarms"] == 2
    assert after.spec.decision.to_dict() == found["chosen"]["decision"]
    assert after.spec.decision.onset_threshold > before.spec.decision.onset_threshold
    assert after.flatbuffer_sha256 == before.flatbuffer_sha256
    assert "0 in 1 min of the room" in after.card["false_alarms"]
    assert not Analyzer(model).analyze_file(room).events
    assert len(Analyzer(model).analyze_file(loud).events) == 1


def test_what_was_chosen_is_told_with_what_the_time_shows(model, write, capsys):
    room = write("a.wav", (10, 3, 0.11))
    assert calibrate(model, "--ambient", room) == 0
    text = capsys.readouterr().out
    assert "0 in 60 s of ambient recordings" in text
    assert "with 95 % confidence at most 1.8e+02" in text
    assert f"written: {model}" in text


def test_a_quiet_room_leaves_the_setting_as_it_was(model, write):
    decision = read_metadata(model).spec.decision
    assert calibrate(model, "--ambient", write("a.wav")) == 0
    assert read_metadata(model).spec.decision == decision


def test_the_microphone_is_recorded_for_as_long_as_asked(model, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    read = []

    class Room:
        def __init__(self, sample_rate_hz):
            assert sample_rate_hz == RATE_HZ

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def __iter__(self):
            while True:
                read.append(1)
                yield rng.uniform(-0.002, 0.002, RATE_HZ // 10).astype(np.float32)

    monkeypatch.setattr("cry_lite.microphone.Microphone", Room)
    argv = ("--ambient", "mic", "--seconds", 20, "--json")
    assert calibrate(model, *argv) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["ambient_hours"] == pytest.approx(20 / 3600, abs=1e-6)
    assert "recording for 20 s" in said.err
    assert len(read) == 200


def test_an_interrupt_ends_the_recording_and_uses_it():
    def blocks():
        yield np.zeros(100, np.float32)
        raise KeyboardInterrupt

    got = list(room_calibration.first_seconds(blocks(), RATE_HZ, 10))
    assert [len(block) for block in got] == [100]


def test_crying_in_the_room_stops_the_command(model, write, capsys):
    content = model.read_bytes()
    room = write("a.wav", (20, 15, 0.4))
    assert calibrate(model, "--ambient", room) == 1
    assert "sounds like crying" in capsys.readouterr().err
    assert model.read_bytes() == content
    assert calibrate(model, "--ambient", room, "--no-crying") == 1
    assert "No setting allows at most 0 false alarms" in capsys.readouterr().err


def test_a_budget_needs_its_hours(model, write, capsys):
    room = write("a.wav", (10, 3, 0.11))
    budget = ("--ambient", room, "--max-false-alarms-per-hour", 1)
    assert calibrate(model, *budget) == 1
    assert "it takes 3.0 h" in capsys.readouterr().err
    assert calibrate(model, *budget, "--accept-few-hours") == 0
    assert read_metadata(model).provenance["alarm_budget_is_shown"] == 0


def test_an_included_detector_is_never_changed(model, write, monkeypatch, capsys):
    folder = model.parent / "models"
    folder.mkdir()
    (folder / "cry_detector.tflite").write_bytes(model.read_bytes())
    monkeypatch.setattr(models, "FOLDER", folder)
    room = write("a.wav", (10, 3, 0.11))
    assert calibrate("cry_detector", "--ambient", room) == 2
    assert "-o FILE.tflite" in capsys.readouterr().err
    out = model.parent / "mine.tflite"
    assert calibrate("cry_detector", "--ambient", room, "-o", out) == 0
    assert read_metadata(out).spec.decision.onset_threshold > 0.5
    assert calibrate("cry_detector", "--ambient", room, "-o", out) == 2
    assert "exists already" in capsys.readouterr().err


def test_sounds_that_cannot_be_read_are_named(model, write, capsys):
    room = write("a.wav").parent
    (room / "text.wav").write_text("hello")
    assert calibrate(model, "--ambient", room) == 1
    assert "text.wav" in capsys.readouterr().err
    assert read_metadata(model).provenance["ambient_recordings"] == 1
    (room / "a.wav").unlink()
    assert calibrate(model, "--ambient", room) == 1


def test_an_empty_folder_is_a_sentence(model, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert calibrate(model, "--ambient", tmp_path / "empty") == 1
    assert "has no sound files below it" in capsys.readouterr().err


def test_a_model_of_reasons_has_no_alarms(dynamic_network, spec, write, capsys):
    room = write("a.wav")
    path = room.parents[1] / "why.tflite"
    reason = spec.replace(
        task="reason", labels=("hungry", "tired"), positive_label=None
    )
    path.write_bytes(pack(dynamic_network, reason, {}))
    assert calibrate(path, "--ambient", room) == 1
    assert "must detect crying" in capsys.readouterr().err


@pytest.mark.parametrize("seconds", ["0", "-5", "nan", "inf", "ten"])
def test_a_recording_has_a_length(model, seconds, capsys):
    assert calibrate(model, "--ambient", "mic", "--seconds", seconds) == 2
    assert "seconds" in capsys.readouterr().err
