import json
import shutil

import numpy as np
import pytest

from cry_lite.detector import Analyzer
from cry_tf.cli.main import main
from cry_tf.data import load
from cry_tf.evaluation.judgement import judge
from cry_tf.evaluation.scorer import load_scorer
from cry_tf.runs.predictions import Predictions
from cry_tf.runs.run_folder import RunFolder
from cry_tf.studies.personal.infants import of_infant
from cry_tf.studies.personal.personalize import personalize


def adapt(run, clips, path, **changes):
    dataset = load(clips) if not hasattr(clips, "clips") else clips
    values = {"permutations": 99, "origin": str(clips), **changes}
    return personalize(run, dataset, path, **values)


@pytest.mark.parametrize(
    ("base", "head"),
    [
        ("softmax", "prototype"),
        ("softmax", "logreg"),
        ("mlp", "logreg"),
        ("prototype", "prototype"),
    ],
)
def test_a_new_run_has_learned_its_infant(make_run, one_infant, tmp_path, base, head):
    made = adapt(make_run(base), one_infant, tmp_path / "new", head=head)
    first = made.comparisons[0]
    assert first.clips == 6
    # The run means the reverse, and holds against two clips more in a dense layer.
    assert first.rows[0].accuracy.value >= (1.0 if head == "prototype" else 0.8)
    if head == "prototype":  # 20 arrangements, and the reverse is as good
        assert first.rows[0].p_value <= 0.2
    model = made.run.load_model()
    for clip, waveform in load(one_infant).waveforms(model.spec.sample_rate_hz):
        scores = np.asarray(model(waveform[None], training=False))[0]
        assert model.labels[int(np.argmax(scores))] == clip.label, clip.name
    predictions = made.run.predictions()
    assert predictions.files == tuple(clip.name for clip in load(one_infant).clips)
    is_right = predictions.predicted == predictions.truth
    assert is_right.mean() == first.rows[0].accuracy.value
    assert made.warnings == (first_time_sentence(),)
    assert made.run.config["personal"]["heard_before"] == 0


def first_time_sentence():
    from cry_tf.studies.personal.recording_time import time_sentence

    return time_sentence(np.full(6, np.nan))


def test_evaluate_export_and_the_runtime_take_a_personal_run(
    make_run, one_infant, tmp_path
):
    new = adapt(make_run(), one_infant, tmp_path / "new").run.path
    found = judge(load_scorer(new), load(one_infant), tmp_path / "judged")
    assert found.metrics.model.accuracy.value == 1.0
    warnings = json.loads((tmp_path / "judged/metrics.json").read_text())["judged"]
    assert "6 of 6 clips were in the training" in " ".join(warnings["warnings"])
    file = tmp_path / "cry.tflite"
    assert main(["export", str(new), "-o", str(file)]) == 0
    scores = load_scorer(file).score(np.zeros(16_000, np.float32))
    assert scores.shape == (2,)
    assert Analyzer(file).spec.labels == ("hungry", "tired")


def test_the_clips_of_the_training_are_told_in_evaluate(
    make_run, many_infants, one_infant, tmp_path
):
    new = adapt(make_run(), one_infant, tmp_path / "new").run.path
    judge(load_scorer(new), load(many_infants), tmp_path / "judged")
    text = (tmp_path / "judged/metrics.json").read_text()
    assert "36 of 36 clips were in the training" in text


def test_figures_on_clips_of_the_training_are_not_to_be_trusted(
    make_run, many_infants, tmp_path
):
    infant = of_infant(load(many_infants), "infant3")
    made = adapt(make_run(), infant, tmp_path / "new", origin=str(many_infants))
    assert "trained on 6 of 6 clips" in made.warnings[0]
    assert made.comparisons[0].run_row.kind == "in training"
    assert "not to be trusted" in (made.run.path / "report.html").read_text()
    with pytest.raises(ValueError, match="one of the 6 groups.*infant9"):
        of_infant(load(many_infants), "infant9")


def test_one_clip_is_enough_and_nothing_is_claimed(make_run, one_infant, tmp_path):
    clips = load(one_infant)
    made = adapt(make_run(), clips.subset([0]), tmp_path / "new")
    assert made.comparisons == ()
    metrics = made.run.metrics
    assert "One clip is too few to evaluate" in metrics["verdict"]
    assert made.run.predictions().files == (clips.clips[0].name,)
    assert "No clip, so unchanged from the run: tired." in made.warnings
    model = made.run.load_model()
    _, waveform = next(clips.waveforms(model.spec.sample_rate_hz))
    assert np.argmax(np.asarray(model(waveform[None]))) == 0


def test_recordings_are_left_out_whole_where_groups_name_them(
    make_run, one_infant, tmp_path
):
    rows = ["file,label,group"]
    for label in ("hungry", "tired"):
        rows += [
            f"{one_infant}/{label}/{label}{take}.wav,{label},day{take // 2}"
            for take in range(3)
        ]
    manifest = tmp_path / "clips.csv"
    manifest.write_text("\n".join(rows))
    made = adapt(make_run(), load(manifest), tmp_path / "new")
    assert [entry.title for entry in made.comparisons] == [
        "Leave one recording out",
        "Leave one clip out, near-copies left in",
    ]
    assert "other recordings" in made.comparisons[0].sentence


def test_near_copies_are_left_out_where_times_are_known(make_run, one_infant, tmp_path):
    rows = ["file,label,time"]
    for label, start_s in (("hungry", 1_777_600_000), ("tired", 1_777_600_020)):
        rows += [
            f"{one_infant}/{label}/{label}{take}.wav,{label},{start_s + 30 * take}"
            for take in range(3)
        ]
    manifest = tmp_path / "clips.csv"
    manifest.write_text("\n".join(rows))
    made = adapt(make_run(), load(manifest), tmp_path / "new")
    out, kept = made.comparisons
    assert "within 2 min left out" in out.title
    assert (out.clips, out.not_judged) == (0, 6)
    assert kept.rows[0].accuracy.value == 1.0
    assert made.warnings == ()
    # With nothing left to learn from, the run itself has answered.
    judge(load_scorer(make_run()), load(manifest), tmp_path / "judged")
    own = Predictions.read_csv(tmp_path / "judged" / "predictions.csv")
    # One clip alone and a batch of one: the same float32 sums.
    np.testing.assert_allclose(made.run.predictions().scores, own.scores, atol=1e-5)


def test_a_label_of_which_the_run_knows_nothing_is_refused(
    make_run, one_infant, tmp_path
):
    clips = tmp_path / "clips"
    shutil.copytree(one_infant, clips)
    (clips / "tired").rename(clips / "bored")
    with pytest.raises(ValueError, match="Received: bored. The model's: hungry, tired"):
        adapt(make_run(), clips, tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clips"]


@pytest.mark.parametrize(
    ("head", "task", "personal", "rule"),
    [
        ("softmax", "detect", "prototype", "needs a run of --task reason"),
        ("svm", "reason", "prototype", "head svm, which is kept as arrays"),
        ("prototype", "reason", "logreg", "starts from the weights of a dense layer"),
        ("softmax", "reason", "mlp", "is one of prototype, logreg"),
    ],
)
def test_a_run_or_head_that_does_not_fit_is_refused(
    make_run, one_infant, tmp_path, head, task, personal, rule
):
    run = make_run(head, task)
    with pytest.raises(ValueError, match=rule):
        adapt(run, one_infant, tmp_path / "new", head=personal)
    assert not any(tmp_path.iterdir())


def test_a_damaged_clip_is_left_out_and_the_exit_code_says_so(
    make_run, one_infant, tmp_path, capsys
):
    clips = tmp_path / "clips"
    shutil.copytree(one_infant, clips)
    (clips / "tired" / "bad.wav").write_bytes(b"no sound")
    argv = ["personalize", str(make_run()), str(clips), "-o", str(tmp_path / "new")]
    assert main([*argv, "--permutations", "9", "--json"]) == 1
    shown = json.loads(capsys.readouterr().out)
    assert shown["personal"][0]["clips"] == 6
    left_out = RunFolder.open(tmp_path / "new").config["data"]["left_out"]
    assert [entry["file"] for entry in left_out] == ["tired/bad.wav"]


def test_prototypes_need_the_clips_of_the_training(make_run, one_infant, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(make_run(), run)
    config = json.loads((run / "config.json").read_text())
    config["data"]["folder"] = str(tmp_path / "gone")
    (run / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="Restore them, use --head logreg"):
        adapt(run, one_infant, tmp_path / "new")
    adapt(run, one_infant, tmp_path / "new", head="logreg")


def test_a_personal_run_can_be_made_personal_again(make_run, one_infant, tmp_path):
    new = adapt(make_run(), one_infant, tmp_path / "new").run.path
    again = adapt(new, one_infant, tmp_path / "again")
    assert again.run.config["personal"]["heard_before"] == 6


def test_an_interrupted_run_leaves_nothing(make_run, one_infant, tmp_path, monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("cry_tf.studies.personal.personal_report.write", stop)
    with pytest.raises(KeyboardInterrupt):
        adapt(make_run(), one_infant, tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == []
