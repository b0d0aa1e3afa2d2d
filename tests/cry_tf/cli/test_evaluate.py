import csv
import functools
import io
import json
import os
import sys

import keras
import numpy as np
import pytest
import soundfile

from cry_lite import cli
from cry_lite.detector import Analyzer
from cry_lite.metadata import pack, read_metadata
from cry_tf.cli.main import main
from cry_tf.data import load

pytestmark = pytest.mark.usefixtures("shallow_student")

RATE_HZ = 16_000


@pytest.fixture(autouse=True)
def _cache(monkeypatch, tmp_path):
    monkeypatch.setenv("CRY_TF_HOME", str(tmp_path / "cache"))


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


@pytest.fixture(scope="module")
def make_tflite(models, tmp_path_factory):
    """Gives the detector as a file of a length, converted once, with settings."""
    import cry_tf.exporting

    folder, rng = tmp_path_factory.mktemp("files"), np.random.default_rng(0)

    @functools.cache
    def network(length):
        path = folder / f"{length}.tflite"
        model = keras.saving.load_model(models / "detector.keras")
        check = [rng.normal(0, 0.1, RATE_HZ).astype(np.float32)]
        cry_tf.exporting.export(
            model, path, quantize="none", check=check, length=length
        )
        inside = read_metadata(path)
        return path.read_bytes()[: inside.flatbuffer_bytes], inside.spec

    def make(path, length="dynamic", positive_names=(), **decision):
        content, spec = network(length)
        spec = spec.replace(
            decision=spec.decision.replace(**decision), positive_names=positive_names
        )
        path.write_bytes(pack(content, spec, {}))
        return path

    return make


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


def test_a_tflite_gives_the_same_answers(models, make_tflite, recordings, tmp_path):
    path = make_tflite(tmp_path / "detector.tflite")
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


def test_negatives_alone_are_judged_by_their_false_alarms(
    models, tmp_path, rng, capsys
):
    write(tmp_path / "night", "household", "a", rng, 300)
    argv = ["evaluate", str(models / "detector.keras"), str(tmp_path / "night")]
    argv += ["-o", str(tmp_path / "out")]
    # Nothing says that `household` means no cry, and all might be counted wrongly.
    assert main(argv) == 1
    assert "Labels in the data: household. Name" in capsys.readouterr().err
    assert main([*argv, "--positive", "none"]) == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["operating_point"]["recall"] is None
    assert metrics["operating_point"]["negative_hours"] == pytest.approx(1 / 3600)


def rows_of(folder):
    with open(folder / "predictions.csv", newline="") as stream:
        return {row["file"]: row for row in csv.DictReader(stream)}


@pytest.mark.parametrize("length", ["dynamic", 5.0])
def test_evaluate_and_the_runtime_answer_each_recording_alike(
    make_tflite, tmp_path, rng, capsys, length
):
    # From shorter than a window to several of them, none of one kind throughout.
    for label, pitch_hz in (("cry", 500), ("no_cry", 3000)):
        for number, seconds in enumerate((0.7, 3.4, 5.0, 8.3)):
            write(tmp_path / "data", label, str(number), rng, pitch_hz)
            path = tmp_path / "data" / label / str(number) / "0.wav"
            samples = int(seconds * RATE_HZ)
            wave = 0.3 * np.sin(2 * np.pi * pitch_hz * np.arange(samples) / RATE_HZ)
            wave[: samples // 2] = rng.normal(0, 0.1, samples // 2)
            soundfile.write(path, wave, RATE_HZ)
    data = load(tmp_path / "data")

    sounds = [str(clip.path) for clip in data.clips]
    threshold = 0.5
    for _ in range(2):
        file = make_tflite(
            tmp_path / "cry.tflite",
            length,
            onset_threshold=threshold,
            offset_threshold=0.9 * threshold,
        )
        assert cli.main(["analyze", *sounds, "--model", str(file), "--json"]) == 0
        lines = capsys.readouterr().out.splitlines()
        on_device = [json.loads(line) for line in lines]
        # Then one amid the scores, where not all have the same answer.
        threshold = float(np.median([each["scores"]["cry"] for each in on_device]))
    assert {each["label"] for each in on_device} == {"cry", "no_cry"}

    argv = ["evaluate", str(file), str(tmp_path / "data"), "-o", str(tmp_path / "out")]
    assert main(argv) == 0
    judged = rows_of(tmp_path / "out")
    for clip, there in zip(data.clips, on_device, strict=True):
        row = judged[clip.name]
        assert row["predicted"] == there["label"]
        assert int(row["events"]) == len(there["events"])
        assert float(row["score_cry"]) == pytest.approx(
            there["scores"]["cry"], abs=2e-6
        )


@pytest.fixture(scope="module")
def told(models, tmp_path_factory):
    """The detector whose training was told that `1` means a cry."""
    from cry_tf.models import CryDetector

    model = keras.saving.load_model(models / "detector.keras")
    config = {**model.get_config(), "positive_names": ["1"]}
    told = CryDetector.from_config(config)
    told.set_weights(model.get_weights())
    path = tmp_path_factory.mktemp("told") / "told.keras"
    told.save(path)
    return path


@pytest.fixture
def numbered(tmp_path, rng):
    for source in range(2):
        write(tmp_path / "numbered", "1", f"a{source}", rng, 400 + 30 * source)
        write(tmp_path / "numbered", "0", f"b{source}", rng, 2000 + 30 * source)
    return tmp_path / "numbered"


def test_a_model_remembers_what_its_training_was_told_to_be_a_cry(
    told, models, make_tflite, numbered, tmp_path, capsys
):
    from cry_tf.runs.run_folder import FORMAT

    file = make_tflite(tmp_path / "told.tflite", positive_names=("1",))
    # A run from before models remembered it: its settings say so.
    run = tmp_path / "run"
    run.mkdir()
    (run / "model.keras").write_bytes((models / "detector.keras").read_bytes())
    config = {"format": FORMAT, "settings": {"positive": ["1"]}}
    (run / "config.json").write_text(json.dumps(config))
    for number, source in enumerate((told, file, run)):
        out = tmp_path / f"out{number}"
        assert main(["evaluate", str(source), str(numbered), "-o", str(out)]) == 0
        assert "as in the training of the model): 1 2" in capsys.readouterr().out
        for name, row in rows_of(out).items():
            assert row["label"] == ("cry" if name.startswith("1") else "no_cry")


def test_labels_of_which_none_means_a_cry_are_named(models, numbered, tmp_path, capsys):
    argv = ["evaluate", str(models / "detector.keras"), str(numbered)]
    assert main([*argv, "-o", str(tmp_path / "out")]) == 1
    shown = capsys.readouterr().err.splitlines()[-1]
    assert "At least one label must mean a cry. Labels in the data: 0, 1." in shown
    assert not (tmp_path / "out").exists()


def test_a_long_recording_is_judged_by_its_events_and_that_is_said(
    models, tmp_path, rng, capsys
):
    model = keras.saving.load_model(models / "detector.keras")
    sound = np.concatenate(
        [
            0.3 * np.sin(2 * np.pi * pitch * np.arange(5 * RATE_HZ) / RATE_HZ)
            for pitch in (500, 4000) * 4
        ]
    )
    path = tmp_path / "data" / "no_cry" / "night" / "0.wav"
    path.parent.mkdir(parents=True)
    sound += rng.normal(0, 0.01, len(sound))
    soundfile.write(path, sound, RATE_HZ)
    write(tmp_path / "data", "cry", "a", rng, 500)

    windows = np.lib.stride_tricks.sliding_window_view(sound, 3 * RATE_HZ)[::RATE_HZ]
    scores = model.predict(windows.astype(np.float32), verbose=0)[:, 1]
    # No gap is joined: at this threshold each tone of one pitch is an event.
    middle = float(np.median(scores))
    model.decision = model.decision.replace(
        onset_threshold=middle, offset_threshold=middle
    )
    model.save(tmp_path / "strict.keras")
    argv = ["evaluate", str(tmp_path / "strict.keras"), str(tmp_path / "data")]
    assert main([*argv, "-o", str(tmp_path / "out")]) == 0

    said = capsys.readouterr()
    assert "windows of 3 s every 1 s as by cry-lite analyze" in said.out
    assert "1 of 2 recordings are longer than 30 s, the longest 40.0 s" in said.err
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    point = metrics["operating_point"]
    events = int(rows_of(tmp_path / "out")["no_cry/night/0.wav"]["events"])
    assert point["counted"] == "events"
    assert point["false_alarms"] == events > 1
    assert point["false_alarms_per_hour"] == pytest.approx(events / (40 / 3600))
    assert point["false_positive_rate"] == 1.0
    report = (tmp_path / "out" / "report.html").read_text()
    assert "an event that the detector finds" in report


def test_clips_from_the_training_are_warned_of(models, recordings, tmp_path, capsys):
    from cry_tf.runs.provenance import short_digests
    from cry_tf.runs.run_folder import FORMAT

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
    assert "does not record which clips it was trained on" in capsys.readouterr().err


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


@pytest.mark.skipif(sys.platform != "linux", reason="names there are bytes")
def test_neither_an_encoding_nor_a_name_costs_the_result(
    models, recordings, tmp_path, monkeypatch
):
    """Whatever cannot be printed or is no UTF-8 is escaped."""
    sound = next((recordings / "rain").rglob("*.wav"))
    os.rename(sound, os.fsencode(sound.parent) + b"/caf\xe9\n.wav")
    bare = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", bare)
    monkeypatch.setattr(sys, "stderr", None)  # closed by the shell
    out = tmp_path / "out"
    argv = ["evaluate", str(models / "detector.keras"), str(recordings), "-o", str(out)]
    assert main(argv) == 0
    with open(out / "predictions.csv", newline="", encoding="utf-8") as stream:
        files = [row["file"] for row in csv.DictReader(stream)]
    assert any(file.endswith("caf\\udce9\n.wav") for file in files)
    assert (out / "report.html").read_text("utf-8").rstrip().endswith("</html>")
    assert b"report.html" in bare.buffer.getvalue()


@pytest.fixture
def night(tmp_path, rng):
    """A recording of 20 s with a tone in it, and when."""
    folder = tmp_path / "night"
    folder.mkdir()
    wave = rng.normal(0, 0.01, 20 * RATE_HZ)
    time_s = np.arange(5 * RATE_HZ) / RATE_HZ
    wave[5 * RATE_HZ : 10 * RATE_HZ] += 0.5 * np.sin(2 * np.pi * 450 * time_s)
    soundfile.write(folder / "a.wav", wave, RATE_HZ)
    (folder / "a.txt").write_text("5,0\t10,0\tcry\n12\t13\tTV\n")
    return folder


def test_events_are_judged_alike_for_keras_and_tflite(
    models, make_tflite, night, tmp_path, capsys
):
    figures = []
    for model in (models / "detector.keras", make_tflite(tmp_path / "d.tflite")):
        out = tmp_path / f"times_{model.suffix[1:]}"
        argv = ["evaluate", str(model), str(night), "--events", str(night)]
        assert main([*argv, "-o", str(out), "--json"]) == 0
        figures.append(json.loads(capsys.readouterr().out)["events"])
        with open(out / "bouts.csv", newline="") as stream:
            (bout,) = csv.DictReader(stream)
        assert (bout["start_s"], bout["end_s"]) == ("5.000", "10.000")
    keras_curve, tflite_curve = (each.pop("curve") for each in figures)
    for name in ("recordings", "bouts", "hours", "hours_without"):
        assert figures[0][name] == figures[1][name]
    assert len(keras_curve) == len(tflite_curve)
    for one, other in zip(keras_curve[1:], tflite_curve[1:], strict=True):
        assert one["threshold"] == pytest.approx(other["threshold"], abs=1e-5)
        assert one["recall"] == other["recall"]


def test_the_events_of_a_file_are_those_of_cry_lite(make_tflite, night, tmp_path):
    sound = night / "a.wav"
    analysis = Analyzer(make_tflite(tmp_path / "any.tflite")).analyze_file(sound)
    middle = float(np.median(analysis.scores[:, 1]))
    at = {"onset_threshold": middle, "offset_threshold": middle}
    path = make_tflite(tmp_path / "d.tflite", **at)
    argv = ["evaluate", str(path), str(night), "--events", str(night / "a.txt")]
    assert main([*argv, "-o", str(tmp_path / "out")]) == 0
    with open(tmp_path / "out" / "alarms.csv", newline="") as stream:
        alarms = [
            (float(row["start_s"]), float(row["end_s"]))
            for row in csv.DictReader(stream)
        ]
    events = Analyzer(path).analyze_file(sound).events
    assert alarms == [(event.start_s, event.end_s) for event in events]
    assert alarms


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        (["--merge-gap", "3"], "--merge-gap and --by are for"),
        (["--events", "none.csv"], "File not found: none.csv"),
        (["--events", "{night}", "--group-by", "room"], "leave out --group-by"),
        (["--events", "{night}", "--by", "room"], "--by must name a column"),
    ],
)
def test_arguments_of_events_that_do_not_fit_are_refused(
    make_tflite, night, tmp_path, capsys, extra, sentence
):
    path = make_tflite(tmp_path / "d.tflite")
    argv = ["evaluate", str(path), str(night), "-o", str(tmp_path / "out")]
    assert main([*argv, *(word.format(night=night) for word in extra)]) == 1
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.fixture
def manifest(recordings):
    """The recordings, each label of a recorder of its own."""
    rows = ["file,label,group,recorder"]
    for label, letter, recorder in (("hungry", "a", "phone"), ("rain", "b", "studio")):
        for source in range(3):
            group = f"{letter}{source}"
            rows.append(f"{label}/{group}/0.wav,{label},{group},{recorder}")
    path = recordings / "clips.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_a_detector_has_figures_by_recorder_and_a_warning_where_they_are_apart(
    models, manifest, tmp_path, capsys
):
    out = tmp_path / "out"
    argv = ["evaluate", str(models / "detector.keras"), str(manifest), "-o", str(out)]
    assert main([*argv, "--domain", "recorder", "--json"]) == 0

    captured = capsys.readouterr()
    found = json.loads(captured.out)["metrics"]["domains"]
    assert [each["domain"] for each in found["domains"]] == ["phone", "studio"]
    assert found["left_out"] == []
    assert found["channel"]["clips"] == 6
    warning = "All cries were recorded by phone; no other sound was"
    assert f"warning: {warning}" in captured.err
    judged = json.loads((out / "metrics.json").read_text())["judged"]
    assert any(text.startswith(warning) for text in judged["warnings"])
    assert warning in (out / "report.html").read_text()
    with open(out / "predictions.csv", newline="") as stream:
        rows = {row["file"]: row["domain"] for row in csv.DictReader(stream)}
    assert rows["rain/b0/0.wav"] == "studio"


def test_recordings_without_a_recorder_are_told_so_and_a_classifier_has_no_domains(
    models, recordings, tmp_path, capsys
):
    argv = ["evaluate", str(models / "detector.keras"), str(recordings)]
    assert main([*argv, "-o", str(tmp_path / "detector")]) == 0
    assert "No recorder or data set is stated" in capsys.readouterr().out
    (recordings / "rain").rename(recordings / "tired")
    argv = ["evaluate", str(models / "classifier.keras"), str(recordings)]
    assert main([*argv, "-o", str(tmp_path / "classifier")]) == 0
    metrics = json.loads((tmp_path / "classifier" / "metrics.json").read_text())
    assert metrics["domains"] is None


def test_one_clip_a_label_has_no_score_of_the_channel(
    models, recordings, tmp_path, capsys
):
    for source in ("a1", "a2", "b1", "b2"):
        label = "hungry" if source.startswith("a") else "rain"
        (recordings / label / source / "0.wav").unlink()
        (recordings / label / source).rmdir()
    argv = ["evaluate", str(models / "detector.keras"), str(recordings)]
    assert main([*argv, "-o", str(tmp_path / "out")]) == 0
    assert "the score of the channel alone is left out" in capsys.readouterr().out
