from __future__ import annotations

import json
from hashlib import sha256

import pytest
import soundfile

from cry_lite import __version__
from cry_lite.detector import Analyzer
from cry_lite.events import write_text
from cry_lite.result_files import ENDINGS, check_writable, plan, write


def names(sounds, folder="out", formats=("csv",)):
    return [
        {form: path.name for form, path in files.items()}
        for files in plan(sounds, folder, formats)
    ]


def test_a_result_is_named_after_its_sound():
    assert names(["x/night one.wav"], formats=ENDINGS) == [
        {
            "csv": "night one.csv",
            "json": "night one.json",
            "audacity": "night one.audacity.txt",
            "raven": "night one.raven.txt",
        }
    ]


def test_sounds_of_one_name_keep_their_folders():
    planned = names(["x/day1/cry.wav", "x/day2/cry.wav", "x/other.wav"])
    assert [files["csv"] for files in planned] == [
        "day1_cry.wav.csv",
        "day2_cry.wav.csv",
        "other.csv",
    ]


def test_sounds_of_one_name_in_one_folder_keep_their_endings():
    planned = names(["x/cry.wav", "x/cry.flac"])
    assert [files["csv"] for files in planned] == ["cry.wav.csv", "cry.flac.csv"]


def test_no_two_results_are_alike_whatever_the_names():
    sounds = [
        "a_b/cry.wav",
        "a/b_cry.wav",
        "a/b/cry.wav",
        "a/B/CRY.wav",
        "a/b/cry.wav.wav",
        "cry-2.wav",
    ]
    planned = [files["csv"].casefold() for files in names(sounds)]
    assert len(set(planned)) == len(sounds)


def test_names_do_not_depend_on_how_the_sounds_were_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    relative = ["day1/cry.wav", "./day2/../day2/cry.wav"]
    absolute = [str(tmp_path / "day1/cry.wav"), str(tmp_path / "day2/cry.wav")]
    assert names(relative) == names(absolute)


def test_a_name_too_long_for_a_file_system_is_cut_and_stays_its_own(tmp_path):
    sounds = [
        f"{folder}/{stem}.wav"
        for folder, stem in (
            ("a", "x" * 246),
            ("b", "x" * 246),
            ("a", "x" * 245 + "y"),
            ("a", "ü" * 123),
            ("a", "caf\udce9" + "z" * 240),
            ("a", "w" * 251),
        )
    ]
    planned = plan(sounds, tmp_path, ENDINGS)
    assert plan(sounds[:1] + sounds[2:], tmp_path, ENDINGS)[0]["csv"].name == (
        "x" * (255 - 13 - 21 - 9) + "~" + sha256(b"x" * 246).hexdigest()[:8] + ".csv"
    )
    paths = [path for files in planned for path in files.values()]
    assert len({path.name.casefold() for path in paths}) == len(paths)
    for path in paths:
        write_text(path, "")  # and its part file


@pytest.mark.parametrize("below", [".", "new/er"])
def test_a_folder_is_checked_before_the_work(below, tmp_path, monkeypatch):
    check_writable(tmp_path / below)
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="file must be a folder"):
        check_writable(tmp_path / "file" / below)
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write
    with pytest.raises(PermissionError, match=f"{tmp_path} must be writable"):
        check_writable(tmp_path / below)


def test_no_sounds_need_no_files():
    assert plan([], "out", ["csv"]) == []


@pytest.fixture
def written(tmp_path, model_file, rng):
    sound = tmp_path / "a.wav"
    soundfile.write(sound, rng.uniform(-0.4, 0.4, 32_000), 16_000)
    analyzer = Analyzer(model_file)
    analysis = analyzer.analyze_file(sound)
    (files,) = plan([str(sound)], tmp_path, ENDINGS)
    write(analysis, analyzer, files, overwrite=False)
    return analysis, analyzer, files


def test_every_format_holds_the_events(written):
    analysis, _, files = written
    assert len(analysis.events) == 1
    row = files["csv"].read_text().splitlines()[1]
    assert row.startswith("0.000,2.000,cry,")
    assert files["audacity"].read_text() == "0.000000\t2.000000\tcry\n"
    assert "\t0.0\t8000.0\tcry\t" in files["raven"].read_text()


def test_the_json_says_how_it_was_made(written):
    analysis, analyzer, files = written
    values = json.loads(files["json"].read_text())
    assert values["events"] == [event.to_dict() for event in analysis.events]
    assert values["windows_s"] == [[0.0, 1.0], [0.5, 1.5], [1.0, 2.0]]
    assert len(values["window_scores"]) == 3
    assert values["model"] == analyzer.spec.to_dict()
    assert values["model_sha256"] == analyzer.metadata.flatbuffer_sha256
    assert values["cry_tf_version"] == __version__


def test_results_that_exist_are_kept_unless_asked(written):
    analysis, analyzer, files = written
    files["csv"].write_text("mine")
    with pytest.raises(FileExistsError):
        write(analysis, analyzer, files, overwrite=False)
    assert files["csv"].read_text() == "mine"
    write(analysis, analyzer, files, overwrite=True)
    assert files["csv"].read_text() != "mine"
