from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from cry_lite import detector, result_files
from cry_lite.cli import main
from cry_lite.metadata import pack

RATE_HZ = 16_000


@pytest.fixture(autouse=True)
def _no_model_in_the_environment(monkeypatch):
    monkeypatch.delenv("CRY_LITE_MODEL", raising=False)


@pytest.fixture
def make_sound(tmp_path, rng):
    """Writes a sound of loud and quiet seconds, such as "..LL."."""

    def make(pattern: str, name: str = "a.wav", rate_hz: int = RATE_HZ) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        parts = [
            rng.uniform(-0.4, 0.4, rate_hz) * (part == "L") + 0.0 for part in pattern
        ]
        soundfile.write(path, np.concatenate(parts), rate_hz)
        return str(path)

    return make


def test_one_clip_is_answered_in_words(model_file, make_sound, capsys):
    sound = make_sound("LLLLL")
    assert main(["analyze", sound, "--model", str(model_file)]) == 0
    out, err = capsys.readouterr()
    assert out == (
        f"{sound}: 5 s, 1 crying episode, 5 s in all\n  crying 0.0-5.0 s (peak 1.00)\n"
    )
    assert err == ""


def test_the_home_folder_is_known_where_a_shell_leaves_its_sign(
    model_file, make_sound, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["analyze", "~/gone.wav", f"--model={model_file}"]) == 1
    said = capsys.readouterr()
    assert f"{tmp_path}/gone.wav" in said.out + said.err


def test_silence_is_no_crying(model_file, make_sound, capsys):
    assert main(["analyze", make_sound("."), "--model", str(model_file)]) == 0
    assert capsys.readouterr().out.endswith(
        " s, no crying (score 0.00, threshold 0.50)\n"
    )


def test_the_model_may_come_from_the_environment(
    model_file, make_sound, capsys, monkeypatch
):
    monkeypatch.setenv("CRY_LITE_MODEL", str(model_file))
    assert main(["analyze", make_sound("L")]) == 0
    assert "crying" in capsys.readouterr().out


def test_json_is_a_line_a_file(model_file, make_sound, capsys):
    sounds = [make_sound("L.", "ä b.wav", 44_100), make_sound("..", "quiet.wav")]
    assert main(["analyze", *sounds, "--model", str(model_file), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["path"] for line in lines] == sounds
    assert lines[0]["source_sample_rate_hz"] == 44_100
    assert lines[0]["events"][0]["label"] == "cry"
    assert lines[1]["events"] == []
    assert lines[1]["label"] == "no_cry"


def test_a_folder_is_heard_with_all_below_it(model_file, make_sound, tmp_path, capsys):
    make_sound("L", "x/one.wav")
    make_sound("L", "x/y/two.flac")
    assert main(["analyze", str(tmp_path / "x"), "--model", str(model_file)]) == 0
    assert capsys.readouterr().out.count("1 crying episode") == 2


def test_a_folder_without_sounds_is_told_and_the_rest_done(
    model_file, make_sound, tmp_path, capsys
):
    (tmp_path / "empty").mkdir()
    sounds = [str(tmp_path / "empty"), make_sound("L")]
    assert main(["analyze", *sounds, "--model", str(model_file)]) == 1
    out, err = capsys.readouterr()
    assert "crying" in out
    assert "empty has no sound files below it" in err


def test_bad_files_are_told_in_a_line_each_and_the_rest_done(
    model_file, make_sound, tmp_path, capsys
):
    (tmp_path / "zero.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_text("hello")
    soundfile.write(tmp_path / "nothing.wav", np.zeros(0), RATE_HZ)
    soundfile.write(tmp_path / "nan.wav", np.full(9, np.nan), RATE_HZ, "FLOAT")
    bad = [str(tmp_path / f"{n}.wav") for n in ("zero", "text", "nothing", "nan", "no")]
    sounds = [*bad, make_sound("L", "good.wav")]
    assert main(["analyze", *sounds, "--model", str(model_file)]) == 1
    out, err = capsys.readouterr()
    assert out.count("\n") == 2
    assert "good.wav: " in out
    lines = err.splitlines()
    assert len(lines) == len(bad)
    for path, line in zip(bad, lines, strict=True):
        assert path in line
        assert "Traceback" not in line


def test_results_are_written_in_the_formats_asked_for(
    model_file, make_sound, tmp_path, capsys
):
    sounds = [make_sound("L", "x/a.wav"), make_sound(".", "y/a.wav")]
    out = tmp_path / "new" / "out"
    flags = ["-o", str(out), "--format", "csv,json,audacity,raven"]
    assert main(["analyze", *sounds, "--model", str(model_file), *flags]) == 0
    endings = ("csv", "json", "audacity.txt", "raven.txt")
    expected = {f"{d}_a.wav.{e}" for d in "xy" for e in endings}
    assert {entry.name for entry in out.iterdir()} == expected


def test_csv_is_the_format_if_none_is_named(model_file, make_sound, tmp_path):
    out = tmp_path / "out"
    args = ["analyze", make_sound("L"), "--model", str(model_file), "-o", str(out)]
    assert main(args) == 0
    assert [entry.name for entry in out.iterdir()] == ["a.csv"]


def test_results_that_exist_are_kept_and_nothing_is_begun(
    model_file, make_sound, tmp_path, capsys
):
    sounds = [make_sound("L", "a.wav"), make_sound("L", "b.wav")]
    out = tmp_path / "out"
    out.mkdir()
    (out / "b.csv").write_text("mine")
    args = ["analyze", *sounds, "--model", str(model_file), "-o", str(out)]
    assert main(args) == 2
    stdout, err = capsys.readouterr()
    assert stdout == ""
    assert "b.csv exists already. Add --overwrite" in err
    assert [entry.name for entry in out.iterdir()] == ["b.csv"]
    assert main([*args, "--overwrite"]) == 0
    assert (out / "b.csv").read_text() != "mine"


def test_a_folder_for_results_that_cannot_be_made_is_told(
    model_file, make_sound, tmp_path, capsys
):
    (tmp_path / "out").write_text("a file, not a folder")
    args = ["analyze", make_sound("L"), "--model", str(model_file)]
    assert main([*args, "-o", str(tmp_path / "out")]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "out must be a folder. It is a file." in err
    assert err.count("\n") == 1


def test_a_result_that_cannot_be_written_is_told_and_the_rest_done(
    model_file, make_sound, tmp_path, capsys, monkeypatch
):
    def full_at_a(path, *args):
        if path.name == "a.csv":
            raise OSError(28, "No space left on device")
        return write_text(path, *args)

    write_text = result_files.write_text
    monkeypatch.setattr(result_files, "write_text", full_at_a)
    sounds = [make_sound("L", "a.wav"), make_sound("L", "b.wav")]
    out = tmp_path / "out"
    args = ["analyze", *sounds, "--model", str(model_file), "-o", str(out)]
    assert main(args) == 1
    err = capsys.readouterr().err
    assert "a.wav cannot be written (No space left on device)" in err
    assert [entry.name for entry in out.iterdir()] == ["b.csv"]


def test_more_threads_give_the_same_answer(model_file, make_sound, capsys):
    sound = make_sound("L.L")
    for threads in ("1", "2"):
        args = ["analyze", sound, "--model", str(model_file), "--threads", threads]
        assert main(args) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == lines[3:]


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["analyze"],
        ["analyze", "a.wav", "--format", "mp3", "-o", "out"],
        ["analyze", "a.wav", "--format", ",", "-o", "out"],
        ["analyze", "a.wav", "--threads", "0"],
        ["analyze", "a.wav", "--threads", "many"],
        ["analyze", "a.wav", "--model", "m.tflite", "--format", "csv"],
        ["analyze", "a.wav", "--model", "m.tflite", "--overwrite"],
        ["dance"],
    ],
)
def test_wrong_use_is_2(flags, capsys):
    assert main(flags) == 2
    assert "cry-lite" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [["--help"], ["analyze", "--help"], ["info", "-h"]])
def test_help_is_0_and_has_an_example(flags, capsys):
    assert main(flags) == 0
    out = capsys.readouterr().out
    assert "usage: cry-lite" in out
    assert len(flags) == 1 or "cry-lite " + flags[0] in out.split("example")[1]


def test_the_version_is_told(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "File not found"),
        (b"", "is not a TFLite model"),
        (b"<html>404</html>", "is not a TFLite model"),
        (b"\x1c\0\0\0TFL3" + bytes(500), "has no cry-tf settings inside"),
    ],
)
@pytest.mark.parametrize("command", ["analyze", "info"])
def test_a_bad_model_is_one_sentence(
    command, content, message, make_sound, tmp_path, capsys
):
    model = tmp_path / "cry.tflite"
    if content is not None:
        model.write_bytes(content)
    args = {
        "analyze": ["analyze", make_sound("L"), "--model", str(model)],
        "info": ["info", str(model)],
    }[command]
    assert main(args) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


def test_info_says_what_is_inside(model_file, capsys):
    assert main(["info", str(model_file)]) == 0
    out = capsys.readouterr().out
    for part in ("detects crying", "no_cry, cry", "16000 Hz", "any length", "loudness"):
        assert part in out


def test_info_has_json(model_file, spec, capsys):
    assert main(["info", str(model_file), "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["model"] == spec.to_dict()
    assert values["bytes"] == model_file.stat().st_size
    assert values["input_samples"] is None
    assert values["provenance"] == {"network": "loudness"}


def test_stopping_leaves_whole_results_and_one_line(
    model_file, make_sound, tmp_path, capsys, monkeypatch
):
    sounds = [make_sound("L", "a.wav"), make_sound("L", "b.wav")]
    analyze = detector.Analyzer.analyze_file

    def stop_at_b(self, path, progress=None):
        if path.endswith("b.wav"):
            raise KeyboardInterrupt
        return analyze(self, path, progress)

    monkeypatch.setattr(detector.Analyzer, "analyze_file", stop_at_b)
    out = tmp_path / "out"
    args = ["analyze", *sounds, "--model", str(model_file), "-o", str(out)]
    assert main(args) == 1
    assert [entry.name for entry in out.iterdir()] == ["a.csv"]
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "Stopped" in err


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "cry_lite.cli", *args]


@pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has no SIGINT to send to one process"
)
def test_ctrl_c_ends_a_running_command_cleanly(dynamic_network, spec, tmp_path):
    # A window every millisecond: ten minutes of sound take longer than that.
    every_ms = spec.decision.replace(hop_s=0.001)
    model = tmp_path / "slow.tflite"
    model.write_bytes(pack(dynamic_network, spec.replace(decision=every_ms), {}))
    soundfile.write(tmp_path / "a.wav", np.zeros(RATE_HZ), RATE_HZ)
    soundfile.write(tmp_path / "long.wav", np.zeros(600 * RATE_HZ), RATE_HZ)
    sounds = [str(tmp_path / name) for name in ("a.wav", "long.wav")]
    out = tmp_path / "out"
    process = subprocess.Popen(
        command("analyze", *sounds, "--model", str(model), "-o", str(out)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell lets what it starts in the background ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    assert "no crying" in process.stdout.readline()  # The long file comes next.
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert err == "cry-lite: Stopped. The result files written so far are complete.\n"
    assert os.listdir(out) == ["a.csv"]


@pytest.mark.skipif(sys.platform == "win32", reason="pipes are otherwise there")
def test_a_reader_that_goes_away_is_no_traceback(model_file, make_sound, tmp_path):
    for index in range(5):
        make_sound(".", f"x/{index}.wav")
    process = subprocess.Popen(
        command("analyze", str(tmp_path / "x"), "--model", str(model_file)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr as errors:
        assert errors.read() == ""
    assert process.wait(timeout=30) == 141  # as of other tools, by SIGPIPE


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are text")
def test_a_name_that_is_no_text_is_heard_and_shown(model_file, make_sound, tmp_path):
    strange = os.fsencode(tmp_path) + b"/na\xffme.wav"
    shutil.copy(make_sound("L"), strange)
    done = subprocess.run(
        command("analyze", strange, "--model", str(model_file)),  # type: ignore[arg-type]
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0
    assert b"na\\udcffme.wav: 1 s, 1 crying episode" in done.stdout


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="only silenced on Linux")
def test_the_notice_of_litert_is_not_shown(model_file, make_sound):
    done = subprocess.run(
        command("analyze", make_sound("L"), "--model", str(model_file)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""


def test_benchmark_says_how_fast_files_answer(model_file, capsys, monkeypatch):
    monkeypatch.setattr("cry_lite.speed.TURNS", 1)
    assert main(["benchmark", str(model_file), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["path"] == str(model_file)
    assert answer["median_s"] / answer["window_s"] == answer["real_time_factor"]

    assert main(["benchmark", str(model_file)]) == 0
    assert "1 s of audio in" in capsys.readouterr().out

    assert main(["benchmark", str(model_file) + ".absent"]) == 1
    assert "absent" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of Unix")
@pytest.mark.parametrize(
    "how", ["cat {} | {} -", "cat {} | {} /dev/stdin", "{1} <(cat {0})", "{1} - < {0}"]
)
def test_sound_may_come_through_a_pipe(model_file, make_sound, tmp_path, how):
    sound = make_sound("..LL..")
    command = f"{sys.executable} -m cry_lite.cli analyze --model {model_file} -o out"
    done = subprocess.run(
        ["bash", "-c", how.format(sound, command)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "crying 1.8-4.2 s" in done.stdout
    (written,) = os.listdir(tmp_path / "out")
    if "-" in how.split():
        assert written == "stdin.csv"


def test_a_folder_with_formats_that_are_not_read_fails_and_names_them(
    model_file, make_sound, tmp_path, capsys
):
    make_sound("L", "in/a.wav")
    (tmp_path / "in" / "b.m4a").write_bytes(b"x")
    assert main(["analyze", str(tmp_path / "in"), "--model", str(model_file)]) == 1
    out, err = capsys.readouterr()
    assert "a.wav: 1 s, 1 crying episode" in out
    assert "b.m4a was left out" in err
