from __future__ import annotations

import csv
import json

import keras
import numpy as np
import pytest
import soundfile

import cry_hub
from cry_hub import registry
from cry_tf.cli.main import main
from cry_tf.tagging import CRY_LABELS, Tagger

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A YAMNet at random with its head, as a file."""
    keras.utils.set_random_seed(0)
    model = registry.get("yamnet_audioset").build("audioset")
    return cry_hub.save_npz(model, tmp_path_factory.mktemp("weights") / "yamnet.npz")


@pytest.fixture(scope="module")
def tagger(weights):
    return Tagger.from_preset("yamnet_audioset", weights)


@pytest.fixture
def _loaded_once(tagger, monkeypatch):
    """Building a YAMNet takes seconds."""
    monkeypatch.setattr(Tagger, "from_preset", lambda *_, **__: tagger)


@pytest.fixture
def folder(tmp_path, rng):
    folder = tmp_path / "recordings"
    (folder / "night").mkdir(parents=True)
    for name, seconds in (("a.wav", 1.5), ("night/b.flac", 0.4)):
        wave = 0.1 * rng.standard_normal(round(seconds * RATE_HZ))
        soundfile.write(folder / name, wave, RATE_HZ)
    return folder


def test_a_file_of_weights_is_used_and_named(weights, folder, capsys):
    argv = ["tag", str(folder / "a.wav"), "--weights", str(weights), "--json"]
    assert main(argv) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["preset"] == "yamnet_audioset"
    assert "yamnet.npz" in answer["weights"]["source"]
    assert len(answer["weights"]["sha256"]) == 64
    (recording,) = answer["recordings"]
    assert recording["duration_s"] == 1.5
    assert "windows" not in recording


@pytest.mark.usefixtures("_loaded_once")
def test_the_top_and_both_classes_of_crying_are_told(folder, tagger, capsys):
    path = str(folder / "a.wav")
    assert main(["tag", path, "--top", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    expected = tagger.tag_file(path).top(2)
    assert lines[0] == f"{path}: 1.5 s"
    assert len(expected) == len([line for line in lines[3:] if line]) == 4
    for line, tag in zip(lines[3:], expected, strict=False):
        assert line.strip().startswith(tag.label)
        figures = f"{tag.mean:.2f} {tag.highest:.2f} {tag.highest_at_s:.2f} s"
        assert " ".join(line.split()).endswith(figures)
    assert {tag.label for tag in expected} > set(CRY_LABELS)


@pytest.mark.usefixtures("_loaded_once")
def test_folders_are_searched_for_sounds_and_containers(folder, capsys):
    (folder / "broken.3gp").write_bytes(b"no sound at all")
    assert main(["tag", str(folder), "--json"]) == 1
    shown = capsys.readouterr()
    answer = json.loads(shown.out)
    paths = [recording["path"] for recording in answer["recordings"]]
    assert paths == [str(folder / "a.wav"), str(folder / "night/b.flac")]
    assert "broken.3gp" in answer["problems"][0]
    assert "skipped: " in shown.err


@pytest.mark.usefixtures("_loaded_once")
def test_a_bad_file_is_skipped_and_the_rest_is_done(folder, tmp_path, capsys):
    files = [str(tmp_path / "missing.wav"), str(folder / "a.wav")]
    assert main(["tag", *files]) == 1
    shown = capsys.readouterr()
    assert "missing.wav" in shown.err
    assert f"{files[1]}: 1.5 s" in shown.out


def test_nothing_to_hear_is_1_before_the_network_is_built(tmp_path, capsys):
    assert main(["tag", str(tmp_path)]) == 1
    assert "has no sound files below it" in capsys.readouterr().err


@pytest.mark.usefixtures("_loaded_once")
def test_over_time_has_a_line_for_each_window(folder, tagger, capsys):
    path = str(folder / "a.wav")
    assert main(["tag", path, "--over-time"]) == 0
    shown = capsys.readouterr().out
    table = shown.split("\n\n")[1].splitlines()
    assert all(label in table[0] for label in CRY_LABELS)
    tags = tagger.tag_file(path)
    assert len(table) - 2 == len(tags.windows) == 3
    for line, (start, end), scores in zip(
        table[2:], tags.windows, tags.scores, strict=True
    ):
        expected = f"{start:.2f} s {end:.2f} s {scores[0]:.2f} {scores[1]:.2f}"
        assert " ".join(line.split()) == expected


@pytest.mark.usefixtures("_loaded_once")
def test_over_time_is_in_the_json_too(folder, tagger, capsys):
    path = str(folder / "a.wav")
    assert main(["tag", path, "--over-time", "--json"]) == 0
    shown = capsys.readouterr()
    (recording,) = json.loads(shown.out)["recordings"]
    starts = [window["start_s"] for window in recording["windows"]]
    assert starts == [0.0, 0.48, 0.525]
    assert set(CRY_LABELS) < set(recording["windows"][0])
    assert "mean  highest" in shown.err  # what a person reads


@pytest.mark.usefixtures("_loaded_once")
def test_the_table_has_a_line_for_each_class_of_a_recording(folder, tmp_path, capsys):
    target = tmp_path / "tags.csv"
    argv = ["tag", str(folder), "--top", "3", "-o", str(target)]
    assert main(argv) == 0
    with target.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 5
    assert {row["file"] for row in rows} == {
        str(folder / "a.wav"),
        str(folder / "night/b.flac"),
    }
    assert {row["label"] for row in rows} > set(CRY_LABELS)
    assert all(0 <= float(row["mean"]) <= float(row["highest"]) for row in rows)

    assert main(argv) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert main([*argv, "--overwrite", "--over-time"]) == 0
    with target.open(encoding="utf-8", newline="") as file:
        header, *windows = csv.reader(file)
    assert header == ["file", "start_s", "end_s", *CRY_LABELS]
    assert len(windows) == 3 + 1
    assert "from" not in capsys.readouterr().out  # the windows are in the file alone


@pytest.mark.usefixtures("_loaded_once")
def test_a_table_that_cannot_be_written_is_said_at_once(folder, tmp_path, capsys):
    for target, message in (
        (tmp_path / "nowhere" / "tags.csv", "Folder not found"),
        (folder, "is a folder"),
    ):
        assert main(["tag", str(folder), "-o", str(target)]) == 1
        shown = capsys.readouterr()
        assert message in shown.err
        assert shown.out == ""


@pytest.mark.usefixtures("_loaded_once")
def test_a_note_of_the_decoder_is_told(tmp_path, capsys):
    path = tmp_path / "loud.wav"
    soundfile.write(path, np.full(RATE_HZ, 1.5), RATE_HZ, subtype="FLOAT")
    assert main(["tag", str(path)]) == 0
    assert "note: 16000 samples beyond full scale" in capsys.readouterr().out


def test_random_weights_and_presets_without_classes_are_refused(folder, capsys):
    assert main(["tag", str(folder), "--weights", "none"]) == 1
    assert "--weights must be pretrained or a FILE" in capsys.readouterr().err
    assert main(["tag", str(folder), "--preset", "ds_cnn_s"]) == 1
    assert "yamnet_audioset" in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv", [["--top", "0"], ["--top", "many"], ["--window", "-1"], ["--window", "x"]]
)
def test_wrong_usage_is_2(argv, capsys):
    assert main(["tag", "x.wav", *argv]) == 2
    assert "usage: cry-tf tag" in capsys.readouterr().err


@pytest.mark.assets
@pytest.mark.usefixtures("_loaded_once")
def test_recordings_of_telephones_are_heard(assets, capsys):
    pytest.importorskip("av")
    raw = sorted((assets / "data/donateacry_raw").iterdir())
    files = [
        str(next(path for path in raw if path.suffix == ending))
        for ending in (".3gp", ".caf")
    ]
    assert main(["tag", *files, "--json"]) == 0
    recordings = json.loads(capsys.readouterr().out)["recordings"]
    assert all(5 < recording["duration_s"] < 9 for recording in recordings)
