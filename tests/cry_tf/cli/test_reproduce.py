import json
import os
import signal
import subprocess
import sys
import time

import pytest

from cry_tf import synthesis
from cry_tf.cli.main import main


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CRY_TF_HOME", str(tmp_path / "cache"))


def test_theirs_stand_beside_ours_by_clip_and_by_infant(recordings, tmp_path, capsys):
    out = tmp_path / "out"
    argv = ["reproduce", "vggish", str(recordings), "-o", str(out), "--rows"]
    assert main([*argv, "mean,mfcc_svm"]) == 0
    shown = capsys.readouterr().out
    assert "theirs" in shown
    assert "by infant" in shown
    assert "96.3 %" in shown
    missing = "vggish_audioset is not installed: cry-tf weights fetch vggish_audioset"
    assert missing in shown
    assert "always the commonest" in shown
    assert "BY CLIP, AS IN THE PAPER" in shown
    # Tones that an SVM tells apart, whoever makes them.
    assert shown.count("100.0 % (100.0-100.0)") == 2
    assert "hungry as hunger, tired as tiredness" in shown
    assert {path.name for path in out.iterdir()} == {
        "rows",
        "tables.json",
        "tables.md",
        "report.html",
    }
    assert "| Average | 96.3 % |" in (out / "tables.md").read_text()


def test_json_is_all_that_stdout_holds(recordings, tmp_path, capsys):
    argv = ["reproduce", "vggish", str(recordings), "-o", str(tmp_path / "out")]
    assert main([*argv, "--rows", "mfcc_svm", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer == json.loads((tmp_path / "out" / "tables.json").read_text())
    row = next(row for row in answer["rows"] if row["name"] == "mfcc_svm")
    assert row["by_infant"]["groups"] == 12


def test_a_synthetic_set_is_written_once_and_said_to_be_one(
    tmp_path, capsys, monkeypatch
):
    from cry_tf.synthesis import paper_set

    few = (paper_set.PaperInfant(1, "boy", 3, 2, 2, 2),) * 5
    monkeypatch.setattr(synthesis, "PAPER_INFANTS", few)
    monkeypatch.setattr(
        paper_set.write_paper_set,
        "__kwdefaults__",
        {"seed": 0, "infants": few, "advance": None},
    )
    folder, out = tmp_path / "set", tmp_path / "out"
    argv = ["reproduce", "vggish", "--synthetic", str(folder)]
    assert main(argv) == 0
    assert "no recordings of infants" in capsys.readouterr().out
    written = (folder / "manifest.csv").read_bytes()
    assert main([*argv, "-o", str(out), "--rows", "mfcc_svm"]) == 0
    shown = capsys.readouterr().out
    assert "SYNTHETIC: these clips were computed" in shown
    assert (folder / "manifest.csv").read_bytes() == written
    assert "on synthetic clips" in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["DATA"], "-o DIR, the folder"),
        (["-o", "OUT"], "either DATA or --synthetic DIR. Received: neither"),
        (["DATA", "-o", "OUT", "--synthetic", "x"], "Received: both"),
        (["DATA", "-o", "OUT", "--rows", "table_9"], "rows must name rows of vggish"),
        (["DATA", "-o", "OUT", "--rows", ","], "Received: none"),
        (["DATA", "-o", "OUT", "--seed", "-1"], "seed must be 0 or more"),
        (["DATA", "-o", "OUT", "--stand-in", "alexnet"], "preset must be one of"),
        (["DATA/none", "-o", "OUT"], "Nothing is at"),
        (["DATA", "-o", "DATA"], "which is left alone"),
        (["-o", "OUT", "--synthetic", "MINE"], "holds other recordings"),
    ],
)
def test_what_cannot_work_is_one_sentence(recordings, tmp_path, capsys, more, sentence):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "manifest.csv").write_text("file,label\n")
    places = {"DATA": str(recordings), "OUT": str(tmp_path / "o"), "MINE": str(mine)}
    argv = [places.get(p) or p.replace("DATA", str(recordings)) for p in more]
    assert main(["reproduce", "vggish", *argv]) == 1
    shown = capsys.readouterr().err.splitlines()[-1]
    assert shown.startswith("error: ")
    assert sentence in shown
    assert not (tmp_path / "o").exists()


def test_another_paper_or_budget_is_wrong_usage(recordings, tmp_path, capsys):
    assert main(["reproduce", "panns", str(recordings), "-o", "x"]) == 2
    assert main(["reproduce", "vggish", str(recordings), "--budget", "huge"]) == 2


# One signal here and the other in test_train.py: each starts a process.
@pytest.mark.parametrize(
    "stop", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM]
)
def test_a_stop_leaves_tables_and_nothing_half_done(recordings, tmp_path, stop):
    out = tmp_path / "out"
    argv = ["reproduce", "vggish", str(recordings), "-o", str(out)]
    argv += ["--stand-in", "ds_cnn_s", "--rows", "scratch"]
    started = subprocess.Popen(
        [sys.executable, "-m", "cry_tf.cli.main", *argv],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "TF_NUM_INTRAOP_THREADS": "1"},
    )
    assert started.stderr is not None
    for line in started.stderr:
        if line.startswith("training (") and ": 0/" in line:
            break
    time.sleep(0.5)
    started.send_signal(stop)
    with started.stderr as errors:
        rest = errors.read().splitlines()
    assert started.wait(timeout=60) == 1
    assert rest[-2].endswith("Continue with the same command.")
    assert rest[-1] == "Stopped. No incomplete files were left."
    assert not list(out.glob(".work-*"))
    assert {path.name for path in out.iterdir()} == {
        "tables.json",
        "tables.md",
        "report.html",
    }
