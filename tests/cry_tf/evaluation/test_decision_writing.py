from __future__ import annotations

import json
import zipfile

import pytest

from cry_lite.spec import DecisionSpec
from cry_tf.evaluation.decision_writing import plan_target, writing

BEFORE = DecisionSpec()
AFTER = BEFORE.replace(onset_threshold=0.8, confirmation_s=2.0)


@pytest.fixture
def run(tmp_path):
    """A run whose head is kept as arrays; only its config is looked at."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("head.npz", "head.json", "features.keras", "predictions.csv"):
        (folder / name).write_bytes(name.encode())
    config = {"format": "cry-tf run 1", "model": {"decision": BEFORE.to_dict()}}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture
def keras_file(tmp_path):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "{}")
        values = {"class_name": "CryDetector", "config": {"decision": {}, "a": [1]}}
        archive.writestr("config.json", json.dumps(values))
        archive.writestr("model.weights.h5", bytes(range(256)))
    return path


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_head_of_arrays_gets_its_decision_in_the_config(run):
    before = contents(run)
    with writing(run, plan_target(run, None, False), AFTER, {"hours": 2}, {}) as copy:
        assert contents(copy).keys() == before.keys()
        assert contents(run).items() >= before.items()  # not yet
    config = json.loads((run / "config.json").read_text())
    assert config["model"]["decision"] == AFTER.to_dict()
    assert config["alarm_budget"] == {"hours": 2}
    after = contents(run)
    assert after.pop("config.json") != before.pop("config.json")
    assert after == before


def test_a_keras_file_keeps_all_but_the_decision(keras_file):
    with writing(keras_file, keras_file, AFTER, {}, {}) as part:
        assert part.suffix == ".keras"
    with zipfile.ZipFile(keras_file) as archive:
        assert archive.namelist() == ["metadata.json", "config.json"] + [
            "model.weights.h5"
        ]
        assert archive.read("model.weights.h5") == bytes(range(256))
        values = json.loads(archive.read("config.json"))
    assert values["config"] == {"decision": AFTER.to_dict(), "a": [1]}


@pytest.mark.parametrize("kind", ["run", "keras_file"])
def test_what_fails_before_the_end_changes_nothing(kind, request, tmp_path):
    model = request.getfixturevalue(kind)
    folder = model if model.is_dir() else tmp_path
    before = contents(folder)

    def fail():
        with writing(model, model, AFTER, {}, {}):
            raise KeyboardInterrupt

    pytest.raises(KeyboardInterrupt, fail)
    assert contents(folder) == before


def test_what_cannot_be_written_is_refused_before_any_work(run, keras_file, tmp_path):
    with pytest.raises(ValueError, match="Leave out -o"):
        plan_target(run, tmp_path / "a.keras", False)
    with pytest.raises(ValueError, match=r"must be a \.keras file"):
        plan_target(keras_file, tmp_path / "a.tflite", False)
    with pytest.raises(FileNotFoundError, match="a file in a folder"):
        plan_target(keras_file, tmp_path / "none" / "a.keras", False)
    with pytest.raises(FileExistsError, match="--overwrite"):
        plan_target(keras_file, keras_file, False)
    assert plan_target(keras_file, keras_file, True) == keras_file
