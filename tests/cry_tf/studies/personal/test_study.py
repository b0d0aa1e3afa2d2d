import csv
import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from cry_tf.cli.main import main
from cry_tf.data import load
from cry_tf.runs.run_folder import RunFolder
from cry_tf.studies.personal import infants
from cry_tf.studies.personal.study import study

from .conftest import write_tone


@pytest.fixture(scope="module")
def studied(make_run, many_infants, tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    return study(
        make_run(),
        load(many_infants),
        folder / "study",
        permutations=49,
        embeddings_dir=folder / "embeddings",
    )


def test_infants_that_contradict_each_other_are_learned_one_by_one(studied):
    found = studied.comparisons[0]
    assert (found.clips, len(found.infants)) == (36, 6)
    for row in found.rows[:2]:
        assert row.accuracy.value > 0.9
        assert row.p_value == 1 / 50
    assert found.run_row.accuracy.value < 0.75
    assert "is better than the infant’s commonest label" in found.verdict


def test_every_report_has_seen_and_unseen_infants_with_counts(studied):
    values = json.loads((studied.path / "metrics.json").read_text())
    titles = [entry["title"] for entry in values["comparisons"]]
    assert titles[:2] == [
        "Leave one clip out, near-copies left in",
        "1 clip a label, near-copies left in",
    ]
    for entry in values["comparisons"][:3]:
        kinds = {row["kind"] for row in entry["rows"]}
        assert kinds == {"seen infant", "unseen infant", "baseline"}
    assert values["comparisons"][3]["rows"] == []  # 5 of 3 clips
    assert values["unseen_every_clip"]["clips"] == 36
    assert any("not known" in sentence for sentence in values["warnings"])
    with open(studied.path / "predictions.csv", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 72
    right = np.mean([row["prototype"] == row["label"] for row in rows])
    assert right > 0.9


def test_the_report_is_one_file_of_balanced_tags(studied):
    html = (studied.path / "report.html").read_text(encoding="utf-8")
    opened = []

    class Balance(HTMLParser):
        def handle_starttag(self, tag, attrs):
            if tag != "meta":
                opened.append(tag)

        def handle_endtag(self, tag):
            assert opened.pop() == tag

    Balance().feed(html)
    assert opened == []
    drawings = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    assert len(drawings) > 3
    for drawing in drawings:
        ElementTree.fromstring(drawing)
    assert "seen infant, prototypes" in html
    assert "Unseen infant, every clip of the run" in html
    assert "Too few clips for: 5 clips a label" in html
    assert not re.search(r"https?://(?!www.w3.org)|<script|@import", html)


def test_no_model_meets_an_infant_that_it_was_trained_on(
    make_run, many_infants, tmp_path, monkeypatch
):
    seen = []
    real = infants.without_each

    def spy(run, model, found, *arguments):
        groups = found.dataset.groups
        for now, train, test in real(run, model, found, *arguments):
            seen.append((set(groups[train]), set(groups[test])))
            yield now, train, test

    monkeypatch.setattr(infants, "without_each", spy)
    study(make_run("prototype"), load(many_infants), tmp_path / "s", permutations=1)
    assert len(seen) == 2
    for train, test in seen:
        assert train
        assert test
        assert not train & test
    assert set().union(*(test for _, test in seen)) == set(load(many_infants).groups)


def test_new_infants_meet_the_run_as_it_is(make_run, tmp_path, monkeypatch):
    rng = np.random.default_rng(3)
    for label, pitch_hz in (("hungry", 600), ("tired", 1900)):
        for take in range(2):
            write_tone(tmp_path / "d" / label / "new" / f"{take}.wav", pitch_hz, rng)
    monkeypatch.setattr(infants, "without_each", None)
    found = study(make_run("logreg"), load(tmp_path / "d"), tmp_path / "s")
    run = RunFolder.open(make_run("logreg"))
    model, data = run.load_model(), load(tmp_path / "d")
    right = [
        model.labels[int(np.argmax(np.asarray(model(wave[None]))))] == clip.label
        for clip, wave in data.waveforms(16_000)
    ]
    row = found.comparisons[0].run_row
    assert row.accuracy.value == np.mean(right)


def test_a_run_that_trained_every_layer_on_the_infants_is_refused(
    make_run, many_infants, tmp_path
):
    run = RunFolder.open(make_run())
    run.config["settings"]["recipe"]["trains"] = "all"
    assert infants.seen_in_training(run, load(many_infants)).all()
    with pytest.raises(ValueError, match="infants that the network was not trained on"):
        infants.check_backbone(run)


def test_clips_without_infants_are_refused_and_leave_nothing(
    make_run, one_infant, tmp_path, capsys
):
    argv = ["personalize", str(make_run()), str(one_infant), "--study"]
    assert main([*argv, "-o", str(tmp_path / "s")]) == 1
    assert "at least two labels" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_the_command_takes_one_infant_or_all(make_run, many_infants, tmp_path, capsys):
    argv = ["personalize", str(make_run()), str(many_infants)]
    argv += ["-o", str(tmp_path / "s"), "--infant", "infant1"]
    assert main([*argv, "--study"]) == 1
    assert "Give only one of them" in capsys.readouterr().err
    assert main([*argv, "--permutations", "9", "--head", "logreg"]) == 0
    assert RunFolder.open(tmp_path / "s").config["data"]["clips"] == 6
    assert main([*argv, "--permutations", "0"]) == 2
