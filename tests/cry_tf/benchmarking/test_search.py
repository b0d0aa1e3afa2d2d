import json

import pytest

from cry_lite.front_ends import YAMNET
from cry_lite.metadata import pack, read_metadata
from cry_lite.spec import ModelSpec
from cry_tf.benchmarking.limits import Limits
from cry_tf.benchmarking.search import search
from cry_tf.runs.run_folder import RunFolder

SPEC = ModelSpec(task="reason", labels=("hungry", "tired", "pain"), front_end=YAMNET)


@pytest.fixture(scope="module")
def network() -> bytes:
    """A `.tflite` that takes a waveform of any length and knows three labels."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((1, None), tf.float32)])
    def scores(waveform):
        return tf.nn.softmax(tf.reduce_mean(waveform, -1, keepdims=True) + [[1, 2, 3]])

    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [scores.get_concrete_function()]
    )
    return converter.convert()


@pytest.fixture
def export(network):
    """Writes a run: `none` takes 50 kB more, `broken` is refused."""

    def write(run, path, recipe):
        if recipe == "broken":
            raise ValueError(f"{path} was not written: it answers differently.")
        room = bytes(50_000 if recipe == "none" else run.config["bytes"])
        origin = {"run": run.path.name, "recipe": recipe}
        path.write_bytes(pack(network + room, SPEC, origin))
        path.with_suffix(".parity.json").write_text(json.dumps(origin))

    return write


@pytest.fixture
def runs(tmp_path):
    made = []
    for name, accuracy, size in (("small", 0.5, 1_000), ("large", 0.6, 20_000)):
        path = tmp_path / "runs" / name
        path.mkdir(parents=True)
        figure = {"value": accuracy, "low": accuracy - 0.1, "high": accuracy + 0.1}
        metrics = {"model": {"balanced_accuracy": figure}}
        (path / "metrics.json").write_text(json.dumps(metrics))
        made.append(RunFolder(path, {"settings": {"task": "reason"}, "bytes": size}))
    return made


def find(runs, export, output, **limits):
    recipes = ("none", "dynamic", "broken")
    return search(runs, output, Limits(**limits), export=export, recipes=recipes)


def test_the_most_accurate_run_wins_by_its_smallest_file(runs, export, tmp_path):
    output = tmp_path / "cry.tflite"
    found = find(runs, export, output)
    assert found.chosen.name == "large dynamic"
    assert read_metadata(output).provenance == {"run": "large", "recipe": "dynamic"}
    parity = json.loads((tmp_path / "cry.parity.json").read_text())
    assert parity["run"] == "large"
    assert set(found.refused) == {"small broken", "large broken"}
    assert "small broken was not written" in found.refused["small broken"]
    names = [each.name for each in found.comparison.candidates]
    assert names == ["small none", "small dynamic", "large none", "large dynamic"]


def test_a_limit_leaves_the_smaller_run(runs, export, tmp_path):
    found = find(runs, export, tmp_path / "cry.tflite", max_bytes=10_000)
    assert found.chosen.name == "small dynamic"
    broken = found.to_dict(Limits(max_bytes=10_000))["broken_limits"]
    assert broken["small dynamic"] == []
    assert all(broken[name] for name in broken if name != "small dynamic")


def test_nothing_is_written_where_nothing_keeps_the_limits(runs, export, tmp_path):
    found = find(runs, export, tmp_path / "cry.tflite", max_bytes=10)
    assert found.chosen is None
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_runs_of_two_tasks_are_refused(runs, export, tmp_path):
    runs[0].config["settings"]["task"] = "detect"
    with pytest.raises(ValueError, match="must have one task"):
        find(runs, export, tmp_path / "cry.tflite")


def test_where_no_recipe_works_the_first_reason_is_told(runs, export, tmp_path):
    with pytest.raises(ValueError, match="No file could be written. small broken: "):
        search(runs, tmp_path / "a.tflite", Limits(), export=export, recipes=["broken"])
    (tmp_path / "a.tflite").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        find(runs, export, tmp_path / "a.tflite")
