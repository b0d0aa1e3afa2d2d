import json

import pytest

from cry_tf.runs.run_folder import FORMAT, RunFolder


def make(folder, **config):
    folder.mkdir(exist_ok=True)
    (folder / "model.keras").write_bytes(b"")
    (folder / "config.json").write_text(json.dumps({"format": FORMAT, **config}))
    return folder


def test_a_run_is_read(tmp_path):
    run = RunFolder.open(make(tmp_path / "run", settings={"seed": 3}))
    assert run.config["settings"]["seed"] == 3
    assert run.model_path == tmp_path / "run" / "model.keras"


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"run does not exist.*cry-tf train"):
        RunFolder.open(tmp_path / "run")
    with pytest.raises(FileNotFoundError, match="holds config.json and model.keras"):
        RunFolder.open(tmp_path)


def test_a_run_of_a_newer_cry_tf_is_refused(tmp_path):
    make(tmp_path / "run", format="cry-tf run 2")
    with pytest.raises(ValueError, match=r"'cry-tf run 1'.*'cry-tf run 2'"):
        RunFolder.open(tmp_path / "run")


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_damaged_config_is_named(tmp_path, text):
    (make(tmp_path / "run") / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"config\.json must be what cry-tf train"):
        RunFolder.open(tmp_path / "run")
