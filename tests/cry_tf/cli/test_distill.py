"""A run teaches a small network; the teachers here are small too, and quick."""

import contextlib
import csv
import io
import json
import shutil

import numpy as np
import pytest
import soundfile

from cry_tf.cli.main import main
from cry_tf.runs.run_folder import RunFolder

pytestmark = pytest.mark.usefixtures("shallow_student")

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def recordings(cries_and_rain):
    return cries_and_rain


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRY_TF_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="module")
def teacher(recordings, weights, tmp_path_factory):
    """A run of a few seconds: its head is fitted, not trained."""
    path = tmp_path_factory.mktemp("teacher") / "run"
    argv = ["train", str(recordings), "-o", str(path), "--task", "detect"]
    argv += ["--backbone", "ds_cnn_s", "--weights", str(weights), "--folds", "2"]
    assert main([*argv, "--head", "logreg", "--no-baselines"]) == 0
    return path


def command(teacher, recordings, run, *more):
    argv = ["distill", str(teacher), str(recordings), "-o", str(run)]
    # The network is made smaller here: pretrained weights do not fit it.
    return [*argv, "--weights", "none", "--epochs", "1", "--folds", "2", *more]


@pytest.fixture(scope="module")
def printed(teacher, recordings, tmp_path_factory):
    """A run, and what was printed while it was made."""
    path = tmp_path_factory.mktemp("distilled") / "run"
    more = ("--no-quantized", "--no-alone", "--augment", "light")
    argv = command(teacher, recordings, path, *more, "--augment-copies", "1")
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert main(argv) == 0
    return path, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def distilled(printed):
    return printed[0]


def test_what_is_to_come_is_said_beforehand(printed):
    _, out, err = printed
    assert "3 trainings of 1 epoch: the student distilled in each fold" in out
    assert "distilling (2 folds, then all): 0/3" in err


def test_a_student_at_chance_is_said_to_be(printed):
    path, _, err = printed
    rows = RunFolder.open(path).metrics["distillation"]["rows"]
    teacher, student = rows
    assert teacher["verdict"] is None
    # An epoch of one step from random weights teaches nothing.
    assert student["verdict"].startswith("Not better than chance")
    assert f"ds_cnn_s distilled: {student['verdict']}" in err
    page = (path / "distillation.html").read_text()
    assert "ds_cnn_s distilled: Not better than chance" in page
    assert '<tr class="strong">' not in page


def test_a_student_starts_as_from_preset_does(teacher, recordings, monkeypatch):
    from cry_tf.cli import distill
    from cry_tf.distillation import distil

    asked = []

    def stop(teachers, dataset, settings, *args, **kwargs):
        asked.append(settings.student.weights)
        raise ValueError("enough")

    monkeypatch.setattr(distil, "distil", stop)
    monkeypatch.setattr(distill, "fetch_if_missing", lambda *args: None)
    for more in ([], ["--weights", "none"]):
        argv = ["distill", str(teacher), str(recordings), "-o", "unused", *more]
        assert main(argv) == 1
    assert asked == ["pretrained", None]


def test_a_run_folder_is_written_like_that_of_a_training(distilled, teacher):
    run = RunFolder.open(distilled)
    assert run.load_model().labels == ("no_cry", "cry")
    about = run.config["distillation"]
    digests = [each["model_sha256"] for each in about["teachers"]]
    assert [len(digest) for digest in digests] == [64]
    assert about["settings"]["temperature"] == 4.0
    assert about["settings"]["copies"] == 1
    with (distilled / "predictions.csv").open() as file:
        rows = [*csv.DictReader(file)]
    assert len(rows) == 8
    assert {row["fold"] for row in rows} == {"0", "1"}
    with (distilled / "history.csv").open() as file:
        assert [row["fold"] for row in csv.DictReader(file)] == ["0", "1", "all"]


def test_teacher_and_student_stand_side_by_side_with_the_paper(distilled):
    found = RunFolder.open(distilled).metrics["distillation"]
    assert [row["name"] for row in found["rows"]] == ["teacher", "distilled"]
    assert found["rows"][0]["summary"]["auc"]["value"] == 1.0
    assert ["CNN14 (teacher)", "73.63", "81M"] in found["paper"]
    page = (distilled / "distillation.html").read_text()
    assert "ds_cnn_s distilled" in page
    assert "always no_cry" in page


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        (["--temperature", "0"], "temperature must be positive"),
        (["--alpha", "2"], "must be in [0, 1]"),
        (["--filter"], "Give --unlabelled DIR"),
        (["--unlabelled", "nowhere"], "There is none at nowhere"),
        (["--teacher-weight", "1,2"], "There is one weight a teacher"),
        (["--recipe", "finetune"], "in one stage"),
        (["--augment-copies", "2"], "copies is the number of"),
        (["--student", "ds_cnn_xl"], "preset must be one of"),
    ],
)
def test_what_cannot_work_is_one_sentence_and_1(
    teacher, recordings, tmp_path, capsys, more, rule
):
    assert main(command(teacher, recordings, tmp_path / "run", *more)) == 1
    shown = capsys.readouterr().err
    assert rule in shown
    assert "Traceback" not in shown
    assert [path.name for path in tmp_path.iterdir()] == []


def test_labels_that_differ_are_refused_with_both(
    teacher, recordings, tmp_path, capsys
):
    other = tmp_path / "other"
    shutil.copytree(teacher, other)
    config = json.loads((other / "config.json").read_text())
    config["settings"]["task"] = "reason"
    (other / "config.json").write_text(json.dumps(config))
    assert main(command(other, recordings, tmp_path / "run")) == 1
    shown = capsys.readouterr().err
    assert "no_cry, cry of" in shown
    assert "hungry, rain of the data" in shown


def test_no_run_and_an_existing_output_are_refused(
    teacher, recordings, tmp_path, capsys
):
    assert main(command(tmp_path / "nothing", recordings, tmp_path / "run")) == 1
    assert "A run folder holds config.json" in capsys.readouterr().err
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("mine")
    assert main(command(teacher, recordings, tmp_path / "run")) == 1
    assert "holds something else" in capsys.readouterr().err


@pytest.mark.slow
def test_two_teachers_filter_windows_and_every_row_has_its_file(
    teacher, recordings, tmp_path, capsys
):
    household = tmp_path / "household"
    household.mkdir()
    time_s = np.arange(6 * RATE_HZ) / RATE_HZ
    wave = 0.3 * np.sin(2 * np.pi * 510 * time_s)
    soundfile.write(household / "evening.wav", wave, RATE_HZ)
    run = tmp_path / "run"
    more = ("--unlabelled", str(household), "--filter", "--teacher-weight", "1,3")
    both = f"{teacher},{teacher}"
    assert main(command(both, recordings, run, *more, "--json")) == 0
    metrics = json.loads(capsys.readouterr().out)["metrics"]
    rows = metrics["distillation"]["rows"]
    kinds = [(row["name"], row["quantized"]) for row in rows]
    assert kinds == [
        (name, quantized)
        for name in ("teacher", "alone", "distilled")
        for quantized in (False, True)
    ]
    assert "no single file" in rows[1]["note"]
    for row in rows[2:]:
        assert row["summary"]["auc"]["value"] is not None
        assert row["latency_ms"] > 0
    assert rows[5]["file_bytes"] < rows[4]["file_bytes"]
    about = RunFolder.open(run).config["distillation"]
    assert about["windows"] == 2
    # Eight clips are too few to be sure of anything.
    assert about["thresholds"] == [{"no_cry": None, "cry": None}] * 2
    assert about["windows_with_a_label"] == 0
    evaluated = tmp_path / "evaluated"
    assert main(["evaluate", str(run), str(recordings), "-o", str(evaluated)]) == 0
    file = tmp_path / "cry.tflite"
    assert main(["export", str(run), "-o", str(file), "--quantize", "dynamic"]) == 0


@pytest.mark.slow
def test_a_stopped_run_goes_on_and_ends_as_it_would_have(
    teacher, recordings, tmp_path, monkeypatch
):
    from cry_tf.distillation.student_trainer import StudentTrainer

    more = ("--no-quantized", "--epochs", "2")
    assert main(command(teacher, recordings, tmp_path / "whole", *more)) == 0
    calls = []
    predict = StudentTrainer.predict

    def stop_at_the_third(self, indices):
        calls.append(indices)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return predict(self, indices)

    run = tmp_path / "stopped"
    with monkeypatch.context() as patch:
        patch.setattr(StudentTrainer, "predict", stop_at_the_third)
        assert main(command(teacher, recordings, run, *more)) == 1
    assert not run.exists()
    assert main(command(teacher, recordings, run, *more, "--resume")) == 0
    for name in ("predictions.csv", "history.csv"):
        whole = (tmp_path / "whole" / name).read_text()
        assert (run / name).read_text() == whole


def test_a_detector_learns_on_windows_drawn_from_its_recordings(
    teacher, recordings, tmp_path, capsys
):
    more = ["--windows", "24", "--no-alone", "--no-quantized"]
    assert main(command(teacher, recordings, tmp_path / "run", *more)) == 0
    # The teacher knows the recordings, and so is fitted again without the fold's.
    assert "trained on 8 of these 8 clips" in capsys.readouterr().out
    run = RunFolder.open(tmp_path / "run")
    assert len(run.predictions().files) == 24
    assert run.config["data"]["clips"] == 8
    assert (
        run.config["data"]["sha256"]
        == (RunFolder.open(teacher).config["data"]["sha256"])
    )
    copies = ["--windows", "24", "--augment", "light"]
    assert main(command(teacher, recordings, tmp_path / "two", *copies)) == 1
    assert "are augmented already" in capsys.readouterr().err
