"""A run that is killed goes on, and ends as it would have."""

import json
import signal
import subprocess

import pytest

from cry_tf.cli.main import main
from cry_tf.runs.checkpoint import Checkpoint

pytestmark = pytest.mark.usefixtures("shallow_student")


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.getbasetemp() / "resume_cache"
    monkeypatch.setenv("CRY_TF_HOME", str(folder))


def command(recordings, weights, run, *more):
    return [
        *("train", str(recordings), "-o", str(run), "--task", "reason"),
        *("--backbone", "ds_cnn_s", "--weights", str(weights), "--folds", "2"),
        *("--no-baselines", *more),
    ]


def text(run, name):
    return (run / name).read_text()


# In the second fold, when some of its epochs are done: a process that watches the files
# of another one from outside may be too late for it, or lose patience with it.
_KILLED = """
import os, signal, types
from cry_lite import atomic
from cry_tf.runs import checkpoint

def replace(part, path, replace=os.replace):
    facts = checkpoint.load_arrays(part)[0] if path.name == "now.npz" else {}
    done = facts.get("progress", {})
    is_then = facts.get("fold") == "1" and (done["stage"], done["epoch"]) == STAGE_EPOCH
    if not is_then or IS_WRITTEN:
        replace(part, path)
    if is_then:
        os.kill(os.getpid(), signal.SIGKILL)

atomic.os = types.SimpleNamespace(**{**vars(os), "replace": replace})
"""


@pytest.mark.parametrize(
    ("is_written", "stage_epoch", "more"),
    [
        (False, (0, 3), ["--epochs", "20", "--mixup", "0.2"]),
        # test_staged_trainer.py goes on with every layer, in one process.
        pytest.param(
            True,
            (0, 3),
            ["--recipe", "full", "--epochs", "4", "--augment", "light"],
            marks=pytest.mark.slow,
        ),
        # On feature maps, those of augmented copies among them.
        pytest.param(
            True,
            (1, 2),
            ["--recipe", "finetune", "--epochs", "2", "--augment", "light"],
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_killed_run_goes_on_and_ends_as_it_would_have(
    recordings, weights, tmp_path, start_command, is_written, stage_epoch, more
):
    assert main(command(recordings, weights, tmp_path / "whole", *more)) == 0
    argv = command(recordings, weights, tmp_path / "killed", *more)
    killing = _KILLED.replace("IS_WRITTEN", str(is_written))
    killing = killing.replace("STAGE_EPOCH", str(stage_epoch))
    started = start_command(argv, killing, stderr=subprocess.PIPE)
    said = started.communicate()[1]
    assert started.returncode == -signal.SIGKILL, said
    kept = Checkpoint.of(tmp_path / "killed")
    assert {file.name for file in kept.folder.glob("*.npz")} == {
        "fold-0.npz",
        "now.npz",
    }
    assert not (tmp_path / "killed").exists()

    assert main([*argv, "--resume"]) == 0
    for name in ("predictions.csv", "history.csv"):
        assert text(tmp_path / "killed", name) == text(tmp_path / "whole", name)
    assert not kept.folder.exists()
    notes = json.loads(text(tmp_path / "killed", "config.json"))["training_notes"]
    assert ("feature maps" in "".join(notes)) == ("finetune" in more)


def test_changed_settings_are_refused_on_resume_and_nothing_is_lost(
    recordings, weights, tmp_path, capsys
):
    argv = command(recordings, weights, tmp_path / "run", "--epochs", "9")
    kept = Checkpoint.of(tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        _train_and_stop(argv)
    assert kept.has_progress
    assert main(argv) == 1
    assert "--resume" in capsys.readouterr().err
    assert main([*argv, "--resume", "--seed", "5"]) == 1
    shown = capsys.readouterr().err
    assert "settings.seed 5, which was 0" in shown
    assert kept.has_progress
    assert main([*argv, "--resume"]) == 0


def _train_and_stop(argv):
    """Runs the command, and presses Ctrl-C after its fourth epoch."""
    from cry_tf.training import cross_validation

    class Stops(cross_validation.Forecast):
        def update(self, epoch, was_trained):
            if epoch == 3:
                raise KeyboardInterrupt
            return super().update(epoch, was_trained)

    original, cross_validation.Forecast = cross_validation.Forecast, Stops
    try:
        if main(argv) == 1:
            raise KeyboardInterrupt
    finally:
        cross_validation.Forecast = original


def test_a_run_is_made_again_from_its_config(recordings, weights, tmp_path, capsys):
    argv = command(recordings, weights, tmp_path / "run", "--epochs", "4")
    assert main([*argv, "--head", "mlp", "--seed", "3"]) == 0
    capsys.readouterr()
    again = ["train", str(recordings), "-o", str(tmp_path / "again")]
    config = tmp_path / "run" / "config.json"
    assert main([*again, "--config", str(config)]) == 0
    assert "warning" not in capsys.readouterr().err
    for name in ("predictions.csv", "history.csv"):
        assert text(tmp_path / "again", name) == text(tmp_path / "run", name)

    values = json.loads(config.read_text())
    values["data"]["sha256"] = "0" * 64
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(values))
    more = ["--config", str(changed), "--overwrite", "--epochs", "1"]
    assert main([*again, *more]) == 0
    assert "the earlier run had data sha256 000" in capsys.readouterr().err
    settings = json.loads(text(tmp_path / "again", "config.json"))["settings"]
    assert (settings["recipe"]["epochs"], settings["seed"]) == (1, 3)


def test_logs_for_tensorboard_have_every_stage_of_every_fold(
    recordings, weights, tmp_path
):
    pytest.importorskip("tensorboard")  # not among the requirements
    logs = tmp_path / "logs"
    argv = command(recordings, weights, tmp_path / "run", "--epochs", "2")
    assert main([*argv, "--tensorboard", str(logs)]) == 0
    for fold in ("0", "1", "all"):
        events = list((logs / f"fold-{fold}" / "head").rglob("events.out.tfevents.*"))
        assert len(events) == 1
        assert b"epoch_learning_rate" in events[0].read_bytes()


def test_tensorboard_that_is_not_installed_is_said_with_what_to_run(
    recordings, weights, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    argv = command(recordings, weights, tmp_path / "run")
    assert main([*argv, "--tensorboard", str(tmp_path / "logs")]) == 1
    assert "pip install tensorboard" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
