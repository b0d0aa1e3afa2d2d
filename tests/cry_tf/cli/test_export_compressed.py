from __future__ import annotations

import argparse
import json

import numpy as np
import pytest
import soundfile

import cry_hub
from cry_export.compress import process
from cry_lite.metadata import read_metadata
from cry_tf.cli import export
from cry_tf.models.cry_detector import CryDetector
from cry_tf.runs.predictions import Predictions
from cry_tf.runs.run_folder import FORMAT

FILES = tuple(f"{label}/{n}.wav" for label in ("cry", "rain") for n in range(2))


@pytest.fixture
def run_folder(tmp_path):
    """A run of a small detector on four clips, as `cry-tf train` leaves it."""
    folder, rng = tmp_path / "run", np.random.default_rng(0)
    for name in FILES:
        (folder / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / "data" / name, 0.1 * rng.normal(size=12_000), 16_000)
    model = CryDetector(cry_hub.load("ds_cnn_s", weights=None), pooling="max")
    model.save(folder / "model.keras")
    Predictions(
        files=FILES,
        labels=model.labels,
        truth=np.array([1, 1, 0, 0]),
        scores=np.full((4, 2), 0.5),
        groups=FILES,
        folds=np.array([0, 1, 0, 1]),
        durations_s=np.full(4, 0.75),
        positive_label="cry",
    ).write_csv(folder / "predictions.csv")
    config = {
        "format": FORMAT,
        "model": model.spec.to_dict(),
        "data": {"origin": str(folder / "data"), "sha256": "da7a"},
        "weights": {"source": "random initialisation", "sha256": None},
        "settings": {
            "backbone": "ds_cnn_s",
            "pooling": "max",
            "recipe": {"name": "full"},
            "seed": 5,
        },
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def command(*arguments) -> int:
    parser = argparse.ArgumentParser()
    export.add_parser(parser.add_subparsers())
    return export.run(parser.parse_args(["export", *map(str, arguments)]))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--compress", "shrink"], "must be one of prune=0.8, cluster=16 or qat"),
        (["--compress", "prune=1"], "between 0 and 1"),
        (["--compress-epochs", "3"], "needs --compress"),
        (["--compress", "qat", "--quantize", "none"], "no other recipe"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_first(tmp_path, arguments, sentence):
    # The run does not exist: that would be found next.
    with pytest.raises(ValueError, match=sentence):
        command(tmp_path / "no_run", "-o", tmp_path / "cry.tflite", *arguments)


def test_what_is_not_installed_is_said_first(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "_NEEDED", ("no_such_package",))
    with pytest.raises(ValueError, match="pip install .cry-tf.compress.."):
        command(
            tmp_path / "no_run",
            *("-o", tmp_path / "cry.tflite"),
            *("--compress", "prune=0.8"),
        )


@pytest.mark.slow
@pytest.mark.parametrize("how", ["prune=0.8", "qat"])
def test_a_run_becomes_a_compressed_file(run_folder, tmp_path, capsys, how):
    pytest.importorskip("tensorflow_model_optimization")
    path = tmp_path / "cry.tflite"
    arguments = ["--compress", how, "--compress-epochs", 1, "--length", 1]
    assert command(run_folder, "-o", path, *arguments) == 0
    said = capsys.readouterr()
    assert f"{how}: " in said.out
    assert "1 epochs on 4 clips" in said.out
    assert f"training for {how}: 1/1" in said.err
    report = json.loads((tmp_path / "cry.parity.json").read_text())
    assert report["compression"]["compression"] == how
    assert report["compression"]["epochs"] == 1
    assert read_metadata(path).provenance["compression"] == how
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        *("cry.parity.json", "cry.tflite", "run"),
    ]
