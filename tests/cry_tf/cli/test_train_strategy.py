import pytest

from cry_tf.cli.main import main


class Stop(ValueError):
    """Enough was seen."""


def asked(monkeypatch, tmp_path, *more):
    """The settings that the command trains with."""
    found = []

    def stop(dataset, settings, *_, **__):
        found.append(settings)
        raise Stop("seen")

    monkeypatch.setattr("cry_tf.training.train.train", stop)
    for label in ("a", "b"):
        (tmp_path / label).mkdir(exist_ok=True)
        (tmp_path / label / "0.wav").write_bytes(b"")
    argv = ["train", str(tmp_path), "-o", str(tmp_path / "run"), "--task", "reason"]
    assert main([*argv, "--backbone", "ds_cnn_s", "--weights", "none", *more]) == 1
    return found[0]


@pytest.mark.parametrize("name", ["none", "auto", "mirrored", "multiworker"])
def test_the_strategy_asked_for_is_the_one_trained_with(monkeypatch, tmp_path, name):
    assert asked(monkeypatch, tmp_path, "--strategy", name).strategy == name


def test_the_usual_strategy_is_auto(monkeypatch, tmp_path):
    assert asked(monkeypatch, tmp_path).strategy == "auto"
