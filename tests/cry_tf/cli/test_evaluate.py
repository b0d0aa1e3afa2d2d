import csv
import json

import keras
import numpy as np
import pytest
import soundfile

from cry_tf.cli.main import main

pytestmark = pytest.mark.usefixtures("shallow_student")

RATE_HZ = 16_000


def write(folder, label, source, rng, pitch_hz):
    time_s = np.arange(RATE_HZ) / RATE_HZ
    wave = 0.3 * np.sin(2 * np.pi * pitch_hz * time_s)
    path = folder / label / source / "0.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave + rng.normal(0, 0.01, RATE_HZ), RATE_HZ)
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """An untrained detector and an untrained classifier, saved."""
    from cry_tf.models import CryClassifier, CryDetector

    folder = tmp_path_factory.mktemp("models")
    keras.utils.set_random_seed(0)
    detector = CryDetector.from_preset("ds_cnn_s", weights=None)
    detector.decision = detector.decision.replace(
        onset_threshold=0.3, offset_threshold=0.2
    )
    detector.save(folder / "detector.keras")
    classifier = CryClassifier.from_preset(
        "ds_cnn_s", labels=["hungry", "tired"], weights=None
    )
    classifier.save(folder / "classifier.keras")
    return folder


@pytest.fixture
def recordings(tmp_path, rng):
    for source in range(3):
        write(tmp_path / "data", "hungry", f"a{source}", rng, 400 + 30 * source)
        write(tmp_path / "data", "rain", f"b{source}", rng, 2000 + 30 * source)
    return tmp_path / "data"


def test_a_detector_is_judged_at_its_own_threshold(
    models, recordings, tmp_path, capsys
):
    out = tmp_path / "out"
    argv = ["evaluate", str(models / "detector.keras"), str(recordings), "-o", str(out)]
    assert main([*argv, "--json"]) == 0

    answer = json.loads(capsys.readouterr().out)
    assert answer["metrics"]["operating_point"]["threshold"] == pytest.approx(0.3)
    assert {path.name for path in out.iterdir()} == {
        "metrics.json",
        "predictions.csv",
        "report.html",
    }
    with open(out / "predictions.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        called = float(row["score_cry"]) >= 0.3
        assert row["predicted"] == ("cry" if called else "no_cry")
        assert row["label"] == ("cry" if row["file"].startswith("hungry") else "no_cry")
    judged = json.loads((out / "metrics.json").read_text())["judged"]
    assert len(judged["model_sha256"]) == 64


def test_a_tflite_gives_the_same_answers(models, recordings, tmp_path, capsys):
    import cry_tf.exporting
    from cry_tf.data import load

    model = keras.saving.load_model(models / "detector.keras")
    path = tmp_path / "detector.tflite"
    cry_tf.exporting.export(model, path, quantize="none", check=load(recordings))
    for source in (models / "detector.keras", path):
        out = tmp_path / source.suffix[1:]
        argv = ["evaluate", str(source), str(recordings), "-o", str(out)]
        assert main(argv) == 0
    scores = []
    for name in ("keras", "tflite"):
        with open(tmp_path / name / "predictions.csv", newline="") as stream:
            scores.append([float(row["score_cry"]) for row in csv.DictReader(stream)])
    # The parity gate of the exporter allows no more.
    np.testing.assert_allclose(*scores, atol=1e-3)


def test_labels_that_are_not_the_models_are_named(models, recordings, tmp_path, capsys):
    argv = ["evaluate", str(models / "classifier.keras"), str(recordings)]
    assert main([*argv, "-o", str(tmp_path / "out")]) == 1
    shown = capsys.readouterr().err.splitlines()[-1]
    assert "Received: rain. The model's: hungry, tired" in shown
    assert not (tmp_path / "out").exists()


def test_positive_is_for_detectors(models, recordings, tmp_path, capsys):
    argv = ["evaluate", str(models / "classifier.keras"), str(recordings)]
    assert main([*argv, "-o", str(tmp_path / "out"), "--positive", "rain"]) == 1
    assert "for a detector" in capsys.readouterr().err


def test_a_bad_clip_is_named_and_the_exit_code_says_so(
    models, recordings, tmp_path, capsys
):
    (recordings / "rain" / "b0" / "bad.wav").write_text("no sound")
    argv = ["evaluate", str(models / "detector.keras"), str(recordings)]
    assert main([*argv, "-o", str(tmp_path / "out")]) == 1
    assert "bad.wav" in capsys.readouterr().err
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["clips"] == 6
    assert metrics["judged"]["left_out"][0]["file"] == "rain/b0/bad.wav"


def test_negatives_alone_are_judged_by_their_false_alarms(models, tmp_path, rng):
    write(tmp_path / "night", "household", "a", rng, 300)
    argv = ["evaluate", str(models / "detector.keras"), str(tmp_path / "night")]
    assert main([*argv, "-o", str(tmp_path / "out")]) == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["operating_point"]["recall"] is None
    assert metrics["operating_point"]["negative_hours"] == pytest.approx(1 / 3600)


def test_clips_from_the_training_are_warned_of(models, recordings, tmp_path, capsys):
    from cry_tf.data import load
    from cry_tf.training.record import short_digests
    from cry_tf.training.run import FORMAT

    run = tmp_path / "run"
    run.mkdir()
    (run / "model.keras").write_bytes((models / "detector.keras").read_bytes())
    heard = short_digests(load(recordings))[:2]
    config = {"format": FORMAT, "data": {"clip_digests": heard}}
    (run / "config.json").write_text(json.dumps(config))
    argv = ["evaluate", str(run), str(recordings), "-o", str(tmp_path / "out")]
    assert main(argv) == 0
    assert "2 of 6 clips were in the training" in capsys.readouterr().err
    assert "2 of 6 clips" in (tmp_path / "out" / "report.html").read_text()


def test_a_model_that_cannot_tell_its_training_clips_says_so(
    models, recordings, tmp_path, capsys
):
    argv = ["evaluate", str(models / "detector.keras"), str(recordings)]
    assert main([*argv, "-o", str(tmp_path / "out")]) == 0
    assert "does not say which clips it was trained on" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nothing", "Nothing is at"),
        ("model.onnx", "Received: .onnx suffix"),
        ("broken.keras", "must be a model that cry-tf saved"),
        ("broken.tflite", "broken.tflite"),
        ("empty_folder", "holds config.json and model.keras"),
    ],
)
def test_what_is_no_model_is_one_sentence(recordings, tmp_path, capsys, name, sentence):
    path = tmp_path / name
    if name == "empty_folder":
        path.mkdir()
    elif name != "nothing":
        path.write_text("no model")
    assert main(["evaluate", str(path), str(recordings), "-o", "unused"]) == 1
    assert sentence in capsys.readouterr().err.splitlines()[-1]
